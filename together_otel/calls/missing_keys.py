"""Constructors and functions that fail without a key before any client is created."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

from together_otel.calls.arguments import Arguments
from together_otel.calls.constructors import Attempt
from together_otel.calls.interrupts import step_out

if TYPE_CHECKING:
    from together_otel.calls.active import Active
    from together_otel.calls.around import Wrapper
    from together_otel.clients.missing_keys import MissingKey


def refusing(active: Active, adapter: MissingKey, _function: Any) -> Wrapper:
    """Wrap a constructor or function: report only that it fails because there is no key."""

    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        arguments = Arguments(args=args, kwargs=kwargs, client=(client,), function=wrapped)
        del wrapped, client, args, kwargs
        if (runtime := active.listening()) is None:
            return arguments.function(
                *arguments.args,
                **arguments.kwargs,
            )
        attempt = Attempt(runtime, adapter, arguments, waits=False)
        try:
            value = arguments.function(
                *arguments.args,
                **arguments.kwargs,
            )
        except BaseException:
            narrowed = None
            with runtime.guard("client_init"):
                arguments.kwargs = _by_name(arguments)
                narrowed = adapter.narrowed(
                    arguments.client[0], arguments.kwargs, runtime.settings.hosts
                )
            attempt.adapter = narrowed or adapter
            attempt.ended(failed=True, looks=narrowed is not None)
            step_out()
            raise
        attempt.ended(failed=False, looks=False)
        return value

    return wrapper


def _by_name(arguments: Arguments) -> dict[str, Any]:
    known = signature(arguments.function).bind_partial(*arguments.args).arguments
    return {**known, **arguments.kwargs}
