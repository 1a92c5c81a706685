"""Replacements of the functions by which HTTP libraries send requests.

A request to another host than Together's only costs a check of its host, and leaves no trace of
this package: the replacement is a plain function and is in no traceback. The first request to
Together loads the code that reports it, because most instrumented processes make none.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial, update_wrapper
from inspect import iscoroutinefunction, signature
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from together_otel.calls.arguments import Arguments
from together_otel.calls.interrupts import step_out
from together_otel.calls.originals import as_function
from together_otel.clients.host_checks import (
    by_connection,
    by_prepared,
    by_request,
    by_url,
    url_text,
)
from together_otel.keys.hosts import url_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import ModuleType

    from together_otel.calls.wire import Reporter
    from together_otel.clients.host_checks import IsOurs

    Load = Callable[[str, Any], Reporter | None]
    """Returns the reporter of a library's function, or ``None`` while all is off."""


class Sender(NamedTuple):
    """A function to replace, ``Class.method`` of a module, and the name of its adapter.

    ``makes`` returns the check of the host, and is ``None`` for a function that only prepares
    headers. ``takes_headers`` is whether headers are arguments, not hidden in a request object.
    """

    module: str
    attribute: str
    library: str
    makes: Callable[[Collection[str]], IsOurs] | None
    takes_headers: bool = False


def _of_httpx(package: str) -> tuple[Sender, ...]:
    module = f"{package}._client"
    return (
        Sender(module, "Client.send", "httpx", by_request),
        Sender(module, "AsyncClient.send", "httpx", by_request),
        Sender(module, "BaseClient._merge_headers", "httpx", None),
    )


def _of_lm15(package: str) -> tuple[Sender, ...]:
    module = f"{package}.transports"
    return (
        Sender(f"{module}._sync", "StdlibTransport.stream", "lm15", by_prepared),
        Sender(f"{module}._async", "StdlibAsyncTransport._do_stream", "lm15", by_prepared),
    )


SENDERS: Final = (
    *_of_httpx("httpx"),
    *_of_httpx("httpx2"),
    *_of_lm15("lm15"),
    *_of_lm15("dspy._vendor.lm15"),
    Sender(
        "requests.sessions",
        "Session.request",
        "requests",
        partial(by_url, name="url"),
        takes_headers=True,
    ),
    # Requests that the function above sends by it, redirects included, are part of its call.
    Sender("requests.sessions", "Session.send", "prepared", by_prepared),
    Sender("requests.models", "PreparedRequest.prepare_headers", "prepared", None),
    Sender(
        "aiohttp.client",
        "ClientSession._request",
        "aiohttp",
        partial(by_url, name="str_or_url"),
        takes_headers=True,
    ),
    Sender("websockets.sync.client", "ClientConnection.handshake", "websockets", by_connection),
    Sender("websockets.asyncio.client", "ClientConnection.handshake", "websockets", by_connection),
    # Its redirects and time limit are part of its call; named so before 17.1 and since.
    Sender("websockets.asyncio.client", "connect.__await_impl__", "websockets", by_connection),
    Sender("websockets.asyncio.client", "connect.connect", "websockets", by_connection),
)


class Senders:
    """The replaced functions of this process."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._applied: list[tuple[type, str, Any, Any]] = []

    def put(self, module: ModuleType, hosts: Collection[str]) -> None:
        """Replace the functions of a module. ``hosts`` are further ones that count as Together's."""
        for sender in SENDERS:
            class_name, _, name = sender.attribute.partition(".")
            owner = vars(module).get(class_name)
            if sender.module != module.__name__ or not isinstance(owner, type):
                continue
            original = vars(owner).get(name)
            if original is None or any(made is original for *_, made in self._applied):
                continue
            function = as_function(original)
            load = partial(self._load, sender.library, function)
            if sender.makes is None:
                made = _preparing(function, url_pattern(hosts).match, load)
            else:
                made = _sending(
                    function, sender.makes(hosts), load, takes_headers=sender.takes_headers
                )
            made = update_wrapper(made, original)
            with suppress(Exception):  # for inspection that does not follow __wrapped__
                vars(made)["__signature__"] = signature(original)
            setattr(owner, name, made)
            self._applied.append((owner, name, original, made))

    def remove(self) -> None:
        """Restore every original whose replacement is still in place."""
        while self._applied:
            owner, name, original, made = self._applied.pop()
            if vars(owner).get(name) is made:
                setattr(owner, name, original)


def _sending(  # noqa: C901 - a function and its async twin
    original: Any, is_ours: IsOurs, load: Callable[[], Reporter | None], *, takes_headers: bool
) -> Any:
    if iscoroutinefunction(original):

        async def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                if not is_ours(self, args, kwargs):
                    if not takes_headers:
                        return await original(self, *args, **kwargs)
                    # Empty in the call: no frame here shows the headers. `Arguments` take longer.
                    both: list[Any] = [kwargs, args]
                    args, kwargs = (), {}
                    return await original(self, *both.pop(), **both.pop())
                held = Arguments(args=args, kwargs=kwargs)
                args, kwargs = (), {}
                if (
                    (reporter := load()) is not None
                    and (runtime := reporter.listening()) is not None
                    and (found := reporter.exchange(runtime, self, held)) is not None
                ):
                    return await reporter.report(found, found)
                return await original(
                    self,
                    *held.args,
                    **held.kwargs,
                )
            except BaseException:
                del args, kwargs
                step_out()
                raise

        return replacement

    def sync_replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if not is_ours(self, args, kwargs):
                if not takes_headers:
                    return original(self, *args, **kwargs)
                # Empty in the call: no frame here shows the headers. `Arguments` take longer.
                both: list[Any] = [kwargs, args]
                args, kwargs = (), {}
                return original(self, *both.pop(), **both.pop())
            held = Arguments(args=args, kwargs=kwargs)
            args, kwargs = (), {}
            if (
                (reporter := load()) is not None
                and (runtime := reporter.listening()) is not None
                and (found := reporter.exchange(runtime, self, held)) is not None
            ):
                return reporter.report(found, found)
            return original(
                self,
                *held.args,
                **held.kwargs,
            )
        except BaseException:
            del args, kwargs
            step_out()
            raise

    return sync_replacement


def _preparing(
    original: Any, look: Callable[[str], object], load: Callable[[], Reporter | None]
) -> Any:
    """Return the replacement of a function that raises for an invalid header.

    The request is then neither built nor sent. The function only receives the headers: its
    caller's frame has the URL.
    """

    def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        except BaseException:
            del args, kwargs
            step_out()
            held = Arguments(args=(), kwargs=dict(sys._getframe(1).f_locals))  # noqa: SLF001 - see above
            if look(_url_in(held)) and (reporter := load()) is not None:
                reporter.not_built(self, held)
            del held
            raise

    return replacement


def _url_in(held: Arguments) -> str:
    try:
        return url_text(held.kwargs.get("url"))
    except Exception:  # noqa: BLE001 - the library itself refuses such a URL
        return ""
