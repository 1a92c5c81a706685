"""Clients of the openai package, and where they reach."""

from urllib.parse import urlsplit

from calling import MESSAGES, MODEL, Caller

__all__ = ["ELSEWHERE", "MESSAGES", "MODEL", "TOGETHER", "Lab"]

TOGETHER = "api.together.xyz"
ELSEWHERE = "api.openai.com"


class Lab(Caller):
    """Server, keys, telemetry, and clients sync or async behind one face."""

    def __init__(self, server, key, *, is_async):
        self.server, self.key = server, key
        super().__init__(self.at(TOGETHER), is_async=is_async)

    def at(self, host):
        """Return the server's base URL under another host's name."""
        return f"http://{host}:{urlsplit(self.server.url).port}/v1"

    @property
    def client_class(self):
        import openai

        return openai.AsyncOpenAI if self.is_async else openai.OpenAI
