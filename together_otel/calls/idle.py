"""Calls that are reported only if they fail, because there are no providers and no metrics.

Such a call is examined once it fails or returns a stream, a body or a session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context

from together_otel.calls.call import ENDED, Call
from together_otel.telemetry.redacting_processor import CALL

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from together_otel.auth.runtime import Runtime
    from together_otel.calls.arguments import Arguments
    from together_otel.clients.base import Adapter
    from together_otel.keys import KnownKeys


class IdleCall:
    """Stands for a `Call`, with the same arguments, until there is something to report.

    Attributes:
        context: the context in which the SDK runs.
        ended: whether the call has ended, or another one has replaced it.
    """

    __slots__ = ("_arguments", "_before", "_response", "adapter", "context", "ended", "runtime")

    runtime: Runtime
    adapter: Adapter
    context: Context
    ended: bool

    def __init__(
        self,
        runtime: Runtime,
        adapter: Adapter,
        arguments: Arguments,
        before: Context,
    ) -> None:
        self.runtime, self.adapter, self._before = runtime, adapter, before
        self._arguments, self._response, self.ended = arguments, None, False
        self.context = context.Context({**before, CALL: self})

    def can_be(self) -> bool:
        """Return whether nothing is missed if the call begins when it is over."""
        adapter, arguments, keys = self.adapter, self._arguments, self.runtime.keys
        try:
            (client,) = arguments.client
            host = adapter.deferrable_host(client, arguments.args, arguments.kwargs)
            return host is not None and keys.was_just_accepted(adapter.key(client), host)
        except Exception:  # noqa: BLE001 - must not reach the application
            self.runtime.guard("begin").swallow()
            return False

    def answered(self, response: Any) -> None:
        """Record the HTTP response that the SDK received."""
        self._response = response

    @property
    def secrets(self) -> KnownKeys:
        """The keys to redact."""
        return self.runtime.keys.look(self.adapter.key(*self._arguments.client))[1]

    def involves(self, *keys: str) -> None:
        """Do nothing: the `Call` finds further keys again."""

    def begun(self) -> Call:
        """Return the `Call` that replaces this one."""
        self.ended, self.context = True, ENDED
        call = Call(self.runtime, self.adapter, self._arguments, self._before)
        call.answered(self._response)
        return call

    def succeed(self, held: Arguments) -> None:
        """End with the complete response that is held, which may be a refusal."""
        try:
            if self.adapter.failure_in(held.value) is None:
                # Breaks a reference cycle, which would keep the answer until a garbage collection.
                self.ended, self.context = True, ENDED
                return
        except Exception:  # noqa: BLE001 - must not reach the application
            self.runtime.guard("finish").swallow()
        self.begun().succeed(held)

    def fail(self) -> None:
        """End with the exception being handled."""
        self.begun().fail()

    def close(self) -> None:
        """Do nothing: there is no span."""
