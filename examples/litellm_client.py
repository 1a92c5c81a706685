# env TOGETHER_OTEL_HOSTS=127.0.0.1 opentelemetry-instrument --traces_exporter none --metrics_exporter none --logs_exporter none python examples/litellm_client.py
"""LiteLLM with a fallback: the first key is refused and LiteLLM hides it; the second is accepted.

LiteLLM sends chat completions with httpx and creates no client, so together_otel reports the
request. Without an argument it uses a test server on loopback; `--real` uses Together with
TOGETHER_API_KEY, and falls back to TOGETHER_AI_TOKEN.
"""

import os
import sys

# Otherwise LiteLLM requests prices from another host when it is imported.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm

from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.server import TogetherServer


def ask(base_url: str | None, key: str | None, fallback: str | None) -> None:
    """Request a completion, with another key as the fallback."""
    model = "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo"
    answer = litellm.completion(
        model=model,
        messages=[{"role": "user", "content": "Hello"}],
        api_base=base_url,
        api_key=key,
        fallbacks=[{"model": model, "api_base": base_url, "api_key": fallback}],
    )
    print(f"The model says: {answer.choices[0].message.content}")


if __name__ == "__main__":
    litellm.suppress_debug_info = True
    if "--real" in sys.argv:
        ask(None, os.environ.get("TOGETHER_API_KEY"), os.environ.get("TOGETHER_AI_TOKEN"))
    else:
        keys = MadeUpKeys()
        with TogetherServer(keys=[accepted := keys.together()]) as server:
            ask(server.base_url, keys.together(), accepted)
