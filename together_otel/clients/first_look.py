"""Whether a request of an HTTP library may be to a host of Together's: looked at before all else.

Each look costs a fraction of a microsecond and never raises. Nothing heavy is imported here, as this
is in most processes that are instrumented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel.keys.hosts import first_look, names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    IsOurs = Callable[[Any, tuple[Any, ...], Mapping[str, Any]], bool]
    """Tells of a function's instance, args and kwargs whether the request may be to Together."""


def by_request(hosts: Collection[str]) -> IsOurs:
    """Return the look at what is sent by httpx and its like: a request object.

    Args:
        hosts: further ones that count as Together's.
    """
    names = names_of(hosts)

    def is_ours(_client: Any, args: Any, kwargs: Any) -> bool:
        try:
            # The property would decode it, and cost as much as all of this.
            return args[0].url._uri_reference.host.endswith(names)  # type: ignore[no-any-return]
        except Exception:  # noqa: BLE001 - the border: another library's own kind of request
            request = args[0] if args else kwargs.get("request")
            return has_name(getattr(request, "url", None), names)

    return is_ours


def by_url(hosts: Collection[str], name: str) -> IsOurs:
    """Return the look at what is sent by method and URL.

    Args:
        hosts: further ones that count as Together's.
        name: of the URL's argument, the second.
    """
    look, names = first_look(hosts).match, names_of(hosts)

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
        except Exception:  # noqa: BLE001 - the border: what the library is to refuse
            return False

    return is_ours


def by_prepared(hosts: Collection[str]) -> IsOurs:
    """Return the look at what requests has prepared.

    Args:
        hosts: further ones that count as Together's.
    """
    look = first_look(hosts).match

    def is_ours(_client: Any, args: Any, kwargs: Any) -> bool:
        try:
            return look((args[0] if args else kwargs["request"]).url) is not None
        except Exception:  # noqa: BLE001 - the border: what the library is to refuse
            return False

    return is_ours


def url_text(url: Any) -> str:
    """Return a URL's text, of any type that a library takes one by."""
    return url.decode("utf-8") if isinstance(url, bytes) else str(url)


def by_connection(hosts: Collection[str]) -> IsOurs:
    """Return the look at where a connection of websockets goes to.

    Args:
        hosts: further ones that count as Together's.
    """
    names = names_of(hosts)

    def is_ours(connection: Any, _args: Any, _kwargs: Any) -> bool:
        protocol = getattr(connection, "protocol", None)
        return has_name(getattr(protocol, "uri", None) or getattr(protocol, "wsuri", None), names)

    return is_ours


def has_name(url: Any, names: tuple[str, ...]) -> bool:
    """Return whether the host of a URL of httpx or websockets ends with one of some names."""
    try:
        return str(url.host).endswith(names)
    except Exception:  # noqa: BLE001 - the border: what the library is to refuse
        return False
