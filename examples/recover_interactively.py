# python examples/recover_interactively.py
"""The workaround of the error report: after a refusal, a prompt asks for another key.

The test server on loopback accepts any key of Together's shape: type `tgp_v1_` and 43 letters or
digits.
"""

import secrets
from importlib.metadata import version

import together

from together_otel import instrument, recovery
from together_otel.testing.server import TogetherServer

instrument(recovery=recovery.prompt())

with TogetherServer() as server:
    expired = "tgp_v1_" + secrets.token_urlsafe(40)[:43]
    server.revoke(expired)
    client = together.Together(api_key=expired, base_url=server.base_url_for(version("together")))
    try:
        answer = client.chat.completions.create(
            model="meta-llama/Llama-3.3-70B-Instruct-Turbo",
            messages=[{"role": "user", "content": "Hello"}],
        )
        print(f"The model says: {answer.choices[0].message.content}")
    except Exception as exc:  # noqa: BLE001 - the class depends on the SDK's generation
        print(f"No key was accepted: {type(exc).__name__}")
