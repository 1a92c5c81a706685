"""Constructors and functions that fail without a key before any client is created."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel.calls.arguments import Arguments
from together_otel.calls.constructors import Attempt

if TYPE_CHECKING:
    from together_otel.calls.active import Active
    from together_otel.calls.around import Wrapper
    from together_otel.clients.missing_keys import MissingKey


def refusing(active: Active, adapter: MissingKey, _function: Any) -> Wrapper:
    """Wrap a constructor or function: report only that it fails because there is no key."""

    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        arguments, narrowed = Arguments(args=args, kwargs=kwargs, client=(client,)), None
        del args, kwargs
        if (runtime := active.listening()) is not None:
            with runtime.guard("client_init"):
                narrowed = adapter.narrowed(client, arguments.kwargs)
        if runtime is None or narrowed is None:
            return wrapped(
                *arguments.args,
                **arguments.kwargs,
            )
        attempt = Attempt(runtime, narrowed, arguments, waits=False)
        try:
            value = wrapped(
                *arguments.args,
                **arguments.kwargs,
            )
        except BaseException:
            attempt.ended(failed=True)
            raise
        attempt.ended(failed=False, looks=False)
        return value

    return wrapper
