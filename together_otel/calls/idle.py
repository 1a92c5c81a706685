"""Calls that nobody is told of: without providers and metrics, only a failure is reported.

What such a call is about is looked at once it fails, or returns something that goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context

from together_otel.calls.call import Call
from together_otel.telemetry.redacting_processor import CALL

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from together_otel.auth.runtime import Runtime
    from together_otel.calls.arguments import Arguments
    from together_otel.clients.base import Adapter
    from together_otel.keys import KnownKeys


class IdleCall:
    """A call that is begun when there is something to report; takes what `Call` does till then.

    Attributes:
        context: the context that the SDK works in.
        ended: whether it was reported; never, as it is another call that is.
    """

    __slots__ = ("_arguments", "_before", "_response", "adapter", "context", "runtime")

    runtime: Runtime
    adapter: Adapter
    context: Context
    ended: bool = False

    def __init__(
        self,
        runtime: Runtime,
        adapter: Adapter,
        arguments: Arguments,
        before: Context,
    ) -> None:
        self.runtime, self.adapter, self._before = runtime, adapter, before
        self._arguments, self._response = arguments, None
        self.context = context.Context({**before, CALL: self})

    def can_be(self) -> bool:
        """Return whether nothing is missed if the call is begun when it is over."""
        adapter, arguments, keys = self.adapter, self._arguments, self.runtime.keys
        try:
            (client,) = arguments.client
            host = adapter.told_after(client, arguments.args, arguments.kwargs)
            return host is not None and keys.was_just_accepted(adapter.key(client), host)
        except Exception:  # noqa: BLE001 - the border
            self.runtime.guard("begin").swallow()
            return False

    def answered(self, response: Any) -> None:
        """Note an HTTP response that the SDK got."""
        self._response = response

    @property
    def secrets(self) -> KnownKeys:
        """The keys known to be involved."""
        return self.runtime.keys.look(self.adapter.key(*self._arguments.client))[1]

    def involves(self, *keys: str) -> None:
        """Let whoever begins the call find further keys anew."""

    def begun(self) -> Call:
        """Return the call."""
        call = Call(self.runtime, self.adapter, self._arguments, self._before)
        call.answered(self._response)
        return call

    def succeed(self, held: Arguments) -> None:
        """End with a whole answer, the value that is held, which may be a refusal."""
        try:
            if self.adapter.failure_in(held.value) is None:
                return
        except Exception:  # noqa: BLE001 - the border
            self.runtime.guard("finish").swallow()
        self.begun().succeed(held)

    def fail(self) -> None:
        """End with the exception that is being handled."""
        self.begun().fail()
