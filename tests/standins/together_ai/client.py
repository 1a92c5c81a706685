"""The wrapper's two clients: one question, one answer."""

import asyncio
import http.client
import json
import os
import urllib.error
import urllib.request

from together_ai.errors import APIConnectionError, AuthenticationError, TogetherAIError

BAD_KEY = "Invalid API key provided. Please check your API key and try again."
BASE_URL = "https://api.together.xyz/v1"
MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
UNAUTHORIZED = 401


class _Client:
    def __init__(self, api_key=None, base_url=None, *, model=MODEL, timeout=30.0):
        if api_key is None:
            api_key = os.environ.get("TOGETHER_API_KEY")
        if api_key is None:
            raise AuthenticationError(BAD_KEY)
        self.api_key = api_key
        self.base_url = base_url or os.environ.get("TOGETHER_BASE_URL") or BASE_URL
        self.model = model
        self.timeout = timeout

    def _ask(self, prompt):
        question = {"model": self.model, "messages": [{"role": "user", "content": prompt}]}
        request = urllib.request.Request(  # noqa: S310 - the user chose the URL
            self.base_url.rstrip("/") + "/chat/completions",
            json.dumps(question).encode(),
            {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:  # noqa: S310 - the same
                return json.load(response)["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as exc:
            with exc:
                raise _error_of(exc) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise APIConnectionError(f"Connection failed: {exc}") from exc


class TogetherAI(_Client):
    """The client; raises ``AuthenticationError`` when there is no key anywhere."""

    def chat(self, prompt):
        """Return the model's answer to one question."""
        return self._ask(prompt)


class AsyncTogetherAI(_Client):
    """The same for asyncio."""

    async def chat(self, prompt):
        """Return the model's answer to one question."""
        return await asyncio.to_thread(self._ask, prompt)


def _error_of(refused):
    if refused.code == UNAUTHORIZED:
        return AuthenticationError(BAD_KEY, refused.code)
    return TogetherAIError(f"The server answered {refused.code}", refused.code)
