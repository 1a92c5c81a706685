"""Attributes of a class before patching: functions, or what others have put there."""

from __future__ import annotations

from inspect import iscoroutinefunction
from types import FunctionType
from typing import Any

from together_otel.calls.arguments import Arguments
from together_otel.calls.interrupts import step_out


def as_function(original: Any) -> Any:
    """Return a callable, of a class's own attribute, that takes the instance first.

    What others have put in a class only knows the instance if it is bound: otherwise, `wrapt`'s
    functions take the instance for an argument. A mock does not take it at all.
    """
    if type(original) is FunctionType:
        return original
    bind = getattr(type(original), "__get__", lambda found, *_: found)

    def call(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        held = Arguments(args=args, kwargs=kwargs)
        del args, kwargs
        try:
            return bind(original, instance, type(instance))(
                *held.args,
                **held.kwargs,
            )
        except BaseException:
            step_out()
            raise

    async def call_async(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        held = Arguments(args=args, kwargs=kwargs)
        del args, kwargs
        try:
            return await bind(original, instance, type(instance))(
                *held.args,
                **held.kwargs,
            )
        except BaseException:
            step_out()
            raise

    return call_async if iscoroutinefunction(original) else call
