"""The SDK that is installed."""

import sys
from importlib.metadata import version

from calling import MESSAGES, MODEL, Caller, leaks, made_up_key

__all__ = ["MESSAGES", "MODEL", "leaks", "made_up_key"]

RELEASE = version("together")
GENERATION = int(RELEASE.partition(".")[0])


def close_session():
    """Close the HTTP session that 1.x keeps for each thread, and never closes."""
    if GENERATION == 1:
        requestor = sys.modules["together.abstract.api_requestor"]
        session = requestor._thread_context.__dict__.pop("session", None)
        if session is not None:
            session.close()


class Sdk(Caller):
    """Its clients."""

    def __init__(self, server, *, is_async):
        super().__init__(server.base_url_for(RELEASE), is_async=is_async)

    @property
    def client_class(self):
        import together  # noqa: PLC0415 - only now, so that tests can be first

        return together.AsyncTogether if self.is_async else together.Together

    def close_clients(self):
        """Close every client; those of 1.x cannot be."""
        if GENERATION > 1:
            super().close_clients()
        else:
            close_session()
