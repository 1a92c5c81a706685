"""Requests to Together's hosts by an HTTP library, where no call that is reported makes them.

A request to any other host pays for one look at its host. Nobody can tell that it passed here: a
plain function stands in place of the library's, and is in no traceback.
"""

from __future__ import annotations

import sys
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from together_otel.calls.active import current_context
from together_otel.calls.call import Call, current_call
from together_otel.calls.patches import Direct
from together_otel.calls.state import Arguments
from together_otel.calls.wrappers import calling
from together_otel.clients.callers import caller
from together_otel.keys.hosts import is_together_host

if TYPE_CHECKING:
    from together_otel.calls.active import Active
    from together_otel.clients.http_libraries import Httpx
    from together_otel.clients.wire import Exchange, Wire


def sending(active: Active, adapter: Wire, original: Any) -> Direct:  # noqa: C901 - sync and async
    """Return what stands in place of the function that an HTTP library sends requests by.

    Args:
        active: what is on.
        adapter: of the library.
        original: its function.
    """
    runtime = active.runtime
    is_ours = adapter.is_ours(() if runtime is None else runtime.settings.hosts)

    def send(exchange: Exchange) -> Any:
        # What it holds, as another key may be in it the second time.
        return original(exchange.client, *exchange.args, **exchange.kwargs)

    report = calling(active, adapter, original, _note).of(send, 1)

    if iscoroutinefunction(original):

        @wraps(original)
        async def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
            if is_ours(self, args, kwargs):
                found = _exchange(active, adapter, self, args, kwargs)
                if found is not None:
                    del args, kwargs
                    return await report(found, found)
            try:
                return await original(self, *args, **kwargs)
            except BaseException as exc:
                exc.__traceback__ = exc.__traceback__ and exc.__traceback__.tb_next
                raise

    else:

        @wraps(original)
        def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
            if is_ours(self, args, kwargs):
                found = _exchange(active, adapter, self, args, kwargs)
                if found is not None:
                    del args, kwargs
                    return report(found, found)
            try:
                return original(self, *args, **kwargs)
            except BaseException as exc:
                exc.__traceback__ = exc.__traceback__ and exc.__traceback__.tb_next
                raise

    return Direct(lambda *_: replacement)


def building(active: Active, adapter: Httpx, original: Any) -> Direct:
    """Return what stands in place of the function that httpx merges a request's headers by.

    It raises where one cannot be a header: the request is then neither built nor sent.
    """

    @wraps(original)
    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        except BaseException as exc:
            exc.__traceback__ = exc.__traceback__ and exc.__traceback__.tb_next
            _not_built(active, adapter, self, args)
            raise

    return Direct(lambda *_: replacement)


def _exchange(
    active: Active, adapter: Wire, client: Any, args: Any, kwargs: Any
) -> Exchange | None:
    """Describe a request that is to be reported; ``None`` for any other."""
    call = current_call()
    if (call is not None and not call.ended) or (runtime := active.listening()) is None:
        return None
    try:
        found = adapter.exchange(client, args, kwargs)
        found.reader = caller(adapter.reader)
        return found if is_together_host(found.host, runtime.settings.hosts) else None
    except Exception:  # noqa: BLE001 - the border: what the library is to refuse
        return None


def _note(call: Call, exchange: Exchange, response: Any) -> None:
    if response is not None:
        with call.runtime.guard("finish"):
            exchange.sent(response)
        call.answered(response)


def _not_built(active: Active, adapter: Httpx, client: Any, args: Any) -> None:
    """Report a request of which httpx could not make the headers."""
    runtime, call = active.listening(), current_call()
    if runtime is None or (call is not None and not call.ended):
        return
    with runtime.guard("begin"):
        known = sys._getframe(2).f_locals  # noqa: SLF001 - nobody else knows where it was to go
        if not {"url", "method"} <= known.keys():
            return
        found = adapter.built(client, known, args[0] if args else None)
        found.reader = caller(adapter.reader)
        if is_together_host(found.host, runtime.settings.hosts):
            Call(runtime, adapter, found, Arguments((), {}), current_context()).fail()
