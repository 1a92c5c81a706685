"""What clients have in common that return whole answers, and raise when they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel.sdk.calls import Answer

if TYPE_CHECKING:
    from together_otel.sdk.calls import Failure


class WholeAnswers:
    """The part of `Adapter` that is about streams, open bodies and failures handed on as data."""

    def answer(self, _seen: Any) -> Answer:
        """Return an empty answer: such a client keeps its HTTP response to itself."""
        return Answer()

    def failure_in(self, _value: Any) -> Failure | None:
        """Return ``None``: such a client raises."""
        return None

    def stream_of(self, _returned: Any) -> Any:
        """Return ``None``: there are no streams that could be known."""
        return None

    def open_body(self, _returned: Any) -> Any:
        """Return ``None``: no open response is handed out."""
        return None

    def with_stream(self, returned: Any, _stream: Any) -> Any:
        """Return ``returned``, as there is no stream in it."""
        return returned
