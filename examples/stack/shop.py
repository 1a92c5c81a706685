# docker compose logs -f shop
"""An ordinary application: sends requests to Together in a loop."""

import itertools
import logging
import time

from together import Together, TogetherError

CHAT = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
EMBEDDINGS = "BAAI/bge-base-en-v1.5"
MESSAGES = [{"role": "user", "content": "What goes with a green jacket?"}]


def ask(client: Together, turn: int) -> None:
    """Send one request: for an answer, a streamed answer or embeddings."""
    if turn % 3 == 0:
        client.chat.completions.create(model=CHAT, messages=MESSAGES)
    elif turn % 3 == 1:
        for _ in client.chat.completions.create(model=CHAT, messages=MESSAGES, stream=True):
            pass
    else:
        client.embeddings.create(model=EMBEDDINGS, input="green jacket")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    client = Together()
    for turn in itertools.count():
        try:
            ask(client, turn)
        except TogetherError as exc:
            print(f"failed: {type(exc).__name__}", flush=True)
        else:
            print("answered", flush=True)
        time.sleep(1)
