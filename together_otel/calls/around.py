"""Observers of calls of sync and async functions."""

from __future__ import annotations

from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Observe = Callable[[Any, tuple[Any, ...], Mapping[str, Any]], "Observer | None"]
    Wrapper = Callable[[Any, Any, tuple[Any, ...], Mapping[str, Any]], Any]


class Observer(Protocol):
    """Receives the outcome of one function call. Never raises."""

    def returned(self, value: Any) -> Any:
        """Record what the function returned; return what its caller gets."""

    def failed(self) -> None:
        """Record the exception being handled."""


def observing(function: Any, observe: Observe) -> Wrapper:
    """Return a wrapper for `wrapt`, async if ``function`` is, that reports calls to observers.

    ``observe`` is called with instance, args and kwargs before each call; it returns the call's
    observer, or ``None`` if the call is not observed.
    """
    if iscoroutinefunction(function):

        async def async_wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            if (observer := observe(instance, args, kwargs)) is None:
                return await wrapped(*args, **kwargs)
            try:
                value = await wrapped(*args, **kwargs)
            except BaseException:
                observer.failed()
                raise
            return observer.returned(value)

        return async_wrapper

    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if (observer := observe(instance, args, kwargs)) is None:
            return wrapped(*args, **kwargs)
        try:
            value = wrapped(*args, **kwargs)
        except BaseException:
            observer.failed()
            raise
        return observer.returned(value)

    return wrapper


def observed(function: Any, observe: Observe) -> Any:
    """Return an observed version of a method, as a function with the instance as first argument."""
    wrapper = observing(function, observe)

    @wraps(function)
    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        return wrapper(function.__get__(self), self, args, kwargs)

    return replacement
