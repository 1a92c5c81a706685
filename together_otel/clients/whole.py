"""What clients do by default: return whole answers, and raise when they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel.clients.base import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from together_otel.clients.base import Failure, OpenBody, Result, Session


class WholeAnswers:
    """The part of `Adapter` on streams, open bodies, sessions, other keys, and failures as data.

    Adapters of clients that do more override what they do.
    """

    delegates = False
    composed = False
    recovers = False

    def host(self, _client: Any) -> str | None:
        """Return ``None``: where such a client sends its key to is not known."""
        return None

    def is_signed_elsewhere(self, _client: Any) -> bool:
        """Return ``False``: nothing else is known to."""
        return False

    def authentication_error(self, _message: str) -> tuple[type[Exception] | None, dict[str, Any]]:
        """Return no class: none is known."""
        return None, {}

    def set_key(self, _client: Any, _key: object) -> bool:
        """Return ``False``: where such a client keeps its key is not known."""
        return False

    def shared(self, client: Any) -> object:
        """Return the client: it has no relatives."""
        return client

    def bodies(self, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> Iterable[object]:
        """Return nothing: such a client sends no files."""
        return ()

    def answer(self, _seen: Any) -> Answer:
        """Return an empty answer: such a client keeps its HTTP response to itself."""
        return Answer()

    def chunk(self, _chunk: Any, _result: Result) -> None:
        """Add nothing: there are no streams that could be known."""

    def failure_in(self, _value: Any) -> Failure | None:
        """Return ``None``: such a client raises."""
        return None

    def stream_of(self, _returned: Any) -> Any:
        """Return ``None``: there are no streams that could be known."""
        return None

    def open_body(self, _returned: Any) -> OpenBody | None:
        """Return ``None``: no open response is handed out."""
        return None

    def session_of(self, _client: Any, _returned: Any) -> Session | None:
        """Return ``None``: a call leaves no connection open."""
        return None

    def with_stream(self, returned: Any, _stream: Any) -> Any:
        """Return ``returned``, as there is no stream in it."""
        return returned
