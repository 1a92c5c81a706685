"""Fast checks whether a request of an HTTP library may go to one of Together's hosts.

Each check takes a fraction of a microsecond and never raises. ``hosts`` are further hosts that
count as Together's. Imports nothing heavy because most instrumented processes load this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel.guard import pass_on_signals
from together_otel.keys.hosts import names_of, url_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    IsOurs = Callable[[Any, tuple[Any, ...], Mapping[str, Any]], bool]
    """Takes a function's instance, args and kwargs; returns whether Together may be the server."""


def by_request(hosts: Collection[str]) -> IsOurs:
    """Return the check for httpx and similar libraries, which send a request object."""
    names = names_of(hosts)

    def is_ours(_client: Any, args: Any, kwargs: Any) -> bool:
        try:
            # The property ``host`` decodes it, which takes as long as the rest of the check.
            return args[0].url._uri_reference.host.endswith(names)  # type: ignore[no-any-return]
        except Exception:  # noqa: BLE001 - must not reach the application: any kind of request
            pass_on_signals()
            request = args[0] if args else kwargs.get("request")
            return has_name(getattr(request, "url", None), names)

    return is_ours


def by_url(hosts: Collection[str], name: str) -> IsOurs:
    """Return the check for functions that take a method and, as the argument ``name``, a URL."""
    look, names = url_pattern(hosts).match, names_of(hosts)

    def is_ours(client: Any, args: Any, kwargs: Any) -> bool:
        try:
            url = args[1] if len(args) > 1 else kwargs[name]
            if type(url) is str:
                if look(url) is not None:
                    return True
                base = getattr(client, "_base_url", None)
                return base is not None and "://" not in url[:8] and base.host.endswith(names)
            host = getattr(url, "host", None)
            if type(host) is str:
                return host.endswith(names)
            return look(url_text(url)) is not None
        except Exception:  # noqa: BLE001 - the library reports the invalid arguments itself
            return False

    return is_ours


def by_prepared(hosts: Collection[str]) -> IsOurs:
    """Return the check for prepared requests of requests and of lm15."""
    look = url_pattern(hosts).match

    def is_ours(_client: Any, args: Any, kwargs: Any) -> bool:
        try:
            return look((args[0] if args else kwargs["request"]).url) is not None
        except Exception:  # noqa: BLE001 - the library reports the invalid arguments itself
            return False

    return is_ours


def url_text(url: Any) -> str:
    """Return the text of a URL of any type that a library accepts."""
    return url.decode("utf-8") if isinstance(url, bytes) else str(url)


def by_connection(hosts: Collection[str]) -> IsOurs:
    """Return the check for connections of websockets, and for its async ``connect``."""
    look, names = url_pattern(hosts).match, names_of(hosts)

    def is_ours(connection: Any, _args: Any, _kwargs: Any) -> bool:
        if isinstance(uri := getattr(connection, "uri", None), str):
            return look(uri) is not None
        protocol = getattr(connection, "protocol", None)
        return has_name(getattr(protocol, "uri", None) or getattr(protocol, "wsuri", None), names)

    return is_ours


def has_name(url: Any, names: tuple[str, ...]) -> bool:
    """Return whether the host of a URL of httpx or websockets ends with one of the names."""
    try:
        return str(url.host).endswith(names)
    except Exception:  # noqa: BLE001 - the library reports the invalid URL itself
        return False
