"""Requests to Together's hosts by an HTTP library, outside other calls or in an in-house call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from together_otel.calls.active import Active, current_context
from together_otel.calls.arguments import Arguments
from together_otel.calls.call import Call, current_call
from together_otel.calls.wrappers import calling
from together_otel.clients.callers import caller
from together_otel.clients.http_libraries import Aiohttp, ByRequest, Httpx, Prepared, Requests
from together_otel.clients.lm15 import Lm15
from together_otel.clients.websockets import Websockets
from together_otel.keys.hosts import is_together_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.auth.runtime import Runtime
    from together_otel.clients.wire import Exchange, Wire

_ADAPTERS: Final[dict[str, Wire]] = {
    "httpx": Httpx(),
    "requests": Requests(),
    "prepared": Prepared(),
    "aiohttp": Aiohttp(),
    "websockets": Websockets(),
    "lm15": Lm15(),
}


class Reporter:
    """Reports the requests that one function of an HTTP library, by its adapter's name, sends.

    ``report`` sends and reports a request, which it takes both as the client and as the argument.
    """

    def __init__(self, active: Active, library: str, original: Any) -> None:
        self._active, self._adapter = active, _ADAPTERS[library]

        def send(exchange: Exchange) -> Any:
            # The exchange's own arguments, which may have another key in a retry.
            return original(exchange.client, *exchange.args, **exchange.kwargs)

        self.report: Callable[[Exchange, Exchange], Any] = calling(
            active, self._adapter, original, self._note
        ).of(send, 1)

    def listening(self) -> Runtime | None:
        """Return the runtime, or ``None`` if a request now is part of a call, or all is off."""
        call = current_call()
        # An in-house client may hide a refusal: its requests are reported instead of its calls.
        is_reported = call is None or call.ended or call.adapter.delegates
        return self._active.listening() if is_reported else None

    def exchange(self, runtime: Runtime, client: Any, held: Arguments) -> Exchange | None:
        """Describe a request to Together; return ``None`` for any other."""
        try:
            found = self._adapter.exchange(client, held.args, held.kwargs)
            found.reader = caller(self._adapter.reader)
            return found if is_together_host(found.server[0], runtime.settings.hosts) else None
        except Exception:  # noqa: BLE001 - the library itself refuses such arguments
            return None

    def not_built(self, client: Any, held: Arguments) -> None:
        """Report a request that could not be built because of its headers.

        ``client`` builds it and has headers of its own; ``held`` has the arguments by name.
        """
        runtime, adapter = self.listening(), self._adapter
        if runtime is None or not isinstance(adapter, ByRequest):
            return
        with runtime.guard("begin"):
            if "url" not in held.kwargs or "method" not in held.kwargs:
                return
            try:
                found = adapter.built(client, held.kwargs)
            except Exception:  # noqa: BLE001 - the library itself refuses such arguments
                return
            found.reader = caller(adapter.reader)
            if is_together_host(found.server[0], runtime.settings.hosts):
                held = Arguments(args=(), kwargs={}, client=(found,))
                Call(runtime, adapter, held, current_context()).fail()

    def _note(self, call: Call, exchange: Exchange, response: Any) -> None:
        try:
            response = self._adapter.seen(exchange, response)
        except Exception:  # noqa: BLE001 - must not reach the application
            call.runtime.guard("finish").swallow()
        if response is not None:
            call.answered(response)
