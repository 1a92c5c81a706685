"""Which proxy an environment names for a host: by httpx's rules, as the SDK's client is httpx."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from together_otel.cli.check.outcomes import Trouble
from together_otel.clients.addresses import basic_authorization, in_url, port_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.cli.check.addresses import Address

_SUFFIX: Final = "_proxy"
_IPV6: Final = 6


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        host: where it is.
        port: the same.
        variable: what names it.
        authorization: what it is to be told, empty for nothing.
    """

    host: str
    port: int
    variable: str
    authorization: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{in_url(self.host)}:{self.port} ({self.variable})"


def proxy_for(address: Address, variables: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that leads to an address, ``None`` where none is named.

    Raises:
        Trouble: when it is none that can be used here.
    """
    named = _named(variables)
    if _excepted(address, named.pop("no", ("", ""))[1]):
        return None
    variable, url = named.get(address.scheme) or named.get("all") or ("", "")
    if not url:
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, port_of(parts)
    except ValueError:
        host = port = None
    if not host or host.strip() != host:
        raise Trouble("proxy_unreachable", f"{variable} is no URL of a proxy.")
    if parts.scheme != "http" or port is None:
        kind = parts.scheme if parts.scheme in ("https", "socks4", "socks5", "socks5h") else "other"
        raise Trouble(
            "proxy_unsupported",
            f"{variable} names a proxy of another kind than http:// ({kind}), by which this"
            f" command cannot ask.",
        )
    return Proxy(host, port, variable, basic_authorization(parts))


def _named(variables: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return variable and value by what stands before _PROXY; in lower case they come first."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in variables.items():
        if value and name.lower().endswith(_SUFFIX):
            found[name.lower().removesuffix(_SUFFIX)] = (name, value)
    if "REQUEST_METHOD" in variables:
        found.pop("http", None)  # as in urllib: a CGI script's is the header of a request
    for name, value in variables.items():
        if name.endswith(_SUFFIX):
            if value:
                found[name.removesuffix(_SUFFIX)] = (name, value)
            else:
                found.pop(name.removesuffix(_SUFFIX), None)
    # Without any, a desktop's settings count.
    return found or {name: ("the system's settings", url) for name, url in getproxies().items()}


def _excepted(address: Address, listed: str) -> bool:
    return any(_matches(address, one.strip()) for one in listed.split(","))


def _matches(address: Address, name: str) -> bool:
    if name == "*":
        return True
    if not name:
        return False
    version = _ip_version(name)
    exact = version is not None or name.lower() == "localhost" or "://" in name
    try:
        parts = urlsplit(
            name if "://" in name else f"all://[{name}]" if version == _IPV6 else f"all://{name}"
        )
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.scheme not in ("all", address.scheme) or port not in (None, address.port):
        return False
    asked = address.host.lower()
    if exact:
        return host == asked
    # .example.com is what is below example.com; example.com is itself, too.
    return asked.endswith(host if host.startswith(".") else f".{host}") or asked == host


def _ip_version(name: str) -> int | None:
    try:
        return ipaddress.ip_address(name.partition("/")[0]).version
    except ValueError:
        return None
