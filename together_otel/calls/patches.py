"""Replacements of patched class attributes, which look like the originals."""

from __future__ import annotations

import pkgutil
from contextlib import suppress
from functools import partial, update_wrapper
from inspect import isfunction, signature
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from together_otel.calls.arguments import Arguments
from together_otel.calls.interrupts import step_out
from together_otel.calls.originals import as_function
from together_otel.calls.proxies import BoundFunctionWrapper, FunctionWrapper, ObjectProxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.calls.around import Wrapper

    Make = Callable[[Any], "Wrapper | Direct"]


class Direct(NamedTuple):
    """A patch that is a plain function: `wrapt` would cost more than everything else.

    ``of`` returns the function. It takes the original and the number of leading arguments, the
    client being the first, that the original does not take.
    """

    of: Callable[[Any, int], Any]


_bind: Final = FunctionWrapper.__get__


class _AsWrapped:
    """Copied and pickled like the wrapped object."""

    __slots__ = ()

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        function = self.__wrapped__
        if isfunction(function):
            return pkgutil.resolve_name, (f"{function.__module__}:{function.__qualname__}",)
        return function.__reduce_ex__(protocol)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _memo: Any) -> Any:
        return self


class BoundPatch(_AsWrapped, BoundFunctionWrapper):
    """A patched method, bound to a client or read from its class."""


class Patch(_AsWrapped, FunctionWrapper):
    """A function in a `wrapt` wrapper, as an attribute of the class ``owner``."""

    __bound_function_wrapper__: Any = BoundPatch

    def __init__(self, function: Any, wrapper: Wrapper, owner: type) -> None:
        super().__init__(function, wrapper)
        # One object, because a class returns the same function each time.
        self._self_of_class: Any = super().__get__(None, owner)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        # Not super(), which costs a third more in every call.
        return self._self_of_class if instance is None else _bind(self, instance, owner)


class PatchedCallable(_AsWrapped, ObjectProxy):
    """The wrapped callable of a client that a `PatchedAttribute` returns."""

    def __init__(self, called: Any, client: Any, made: Wrapper | Direct) -> None:
        super().__init__(called)
        self._self_client = client
        self._self_made: Any = (
            made.of(called, 1) if isinstance(made, Direct) else partial(made, called)
        )
        self._self_direct = isinstance(made, Direct)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the wrapper."""
        held = Arguments(args=args, kwargs=kwargs, client=(self._self_client,))
        del args, kwargs
        try:
            if self._self_direct:
                return self._self_made(
                    *held.client,
                    *held.args,
                    **held.kwargs,
                )
            return self._self_made(*held.client, held.args, held.kwargs)
        except BaseException:
            step_out()
            raise


class PatchedAttribute(_AsWrapped, ObjectProxy):
    """A wrapper of any other attribute: wraps the callable that the attribute returns.

    `wrapt` does not pass the instance of static and class methods, partials and callable objects,
    and does not bind properties. The callable is known, and wrapped, only when it is read.
    """

    def __init__(self, attribute: Any, make: Make, name: str) -> None:
        super().__init__(attribute)
        self._self_make, self._self_name = make, name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        found = self.__wrapped__
        if hasattr(type(found), "__get__"):
            found = type(found).__get__(found, instance, owner)
        if not callable(found):
            return found
        client = owner if instance is None else instance
        patched = PatchedCallable(found, client, self._self_make(found))
        cached = getattr(instance, "__dict__", {})
        if cached.get(self._self_name) is found:  # stored by a cached property
            cached[self._self_name] = patched
        return patched


class PatchedDataAttribute(PatchedAttribute):
    """A patched data descriptor, such as a property, which precedes the instance's ``__dict__``."""

    def __set__(self, instance: Any, value: Any) -> None:
        self.__wrapped__.__set__(instance, value)

    def __delete__(self, instance: Any) -> None:
        self.__wrapped__.__delete__(instance)


_PATCHED = "_together_otel_patched"


def is_patch(found: Any) -> bool:
    """Return whether an attribute of a class is one of these patches."""
    return isinstance(found, (Patch, PatchedAttribute)) or getattr(found, _PATCHED, None) is Direct


def patch_of(original: Any, make: Make, owner: type, name: str) -> Any:
    """Return the patch of an attribute, which comes from the ``__dict__`` of the class itself."""
    if isfunction(original):
        made = make(original)
        if not isinstance(made, Direct):
            return Patch(original, made, owner)
        patched: Any = update_wrapper(made.of(as_function(original), 0), original)
        # Shown only, not used: a `Direct` patch takes any arguments.
        patched.__defaults__, patched.__kwdefaults__ = (
            original.__defaults__,
            original.__kwdefaults__,
        )
        with suppress(Exception):  # for inspection that does not follow __wrapped__
            patched.__signature__ = signature(original)
        setattr(patched, _PATCHED, Direct)
        return patched
    is_data = hasattr(type(original), "__set__")
    return (PatchedDataAttribute if is_data else PatchedAttribute)(original, make, name)
