"""Decides whether a host, or the server behind a response, is Together's."""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

TOGETHER: Final = "together"
"""The owner of all of Together's hosts."""

_DOMAINS: Final = ("together.ai", "together.xyz")
_BELOW: Final = tuple(f".{one}" for one in _DOMAINS)
_LINK: Final = r"(?i)https?:\\?/\\?/(?:[a-z0-9-]{1,63}\.){0,4}together\.(?:ai|xyz)(?![\w-]|\.\w)"
_HEADER: Final = "\nx-together-"
_PAGE: Final = (
    r"(?i)(?:\ufeff|\u00ef\u00bb\u00bf)?\s*(?:<\?xml[^>]{0,200}>\s*)?"
    r"<(?:!--|!doctype html|(?:html|head|title|meta|script|body|center)\b)"
)
"""The beginning of an HTML page, after a byte-order mark that may have been read as Latin-1."""
_SIGN_IN: Final = ("basic", "digest", "ntlm", "negotiate", "kerberos")
"""WWW-Authenticate schemes that ask for a user's login, not for an API key."""


def hosts_in(setting: str) -> tuple[str, ...]:
    """Return the hosts of a list, in which URLs, ports and ``*.`` before a host are accepted."""
    found = []
    for text in re.split(r"[,;\s]+", setting):
        try:
            host = urlsplit(text if "://" in text else f"//{text}").hostname
        except ValueError:
            continue
        if host and (host := host.lstrip("*.")):
            found.append(_normal(host))
    return tuple(found)


@lru_cache(maxsize=256)
def is_together_host(host: str | None, extra_hosts: tuple[str, ...] = ()) -> bool:
    """Return whether a host is Together's or one of the extra hosts, or below one of these.

    The extra hosts are those that `hosts_in` returns.
    """
    if host is None:
        return False
    name = f".{_normal(host)}"
    return name.endswith(_BELOW) or any(name.endswith(f".{one}") for one in extra_hosts)


def names_of(extra_hosts: Collection[str] = ()) -> tuple[str, ...]:
    """Return the endings that a name of Together's hosts may have, for a quick first check."""
    hosts = (*_DOMAINS, *extra_hosts)
    return *hosts, *(f"{host}." for host in hosts)


def url_pattern(extra_hosts: Collection[str] = ()) -> re.Pattern[str]:
    """Return a pattern that matches URLs whose host may be Together's."""
    hosts = "|".join(re.escape(host) for host in (*_DOMAINS, *extra_hosts))
    return re.compile(
        rf"\s*(?:https?|wss?)://(?:[^/?#]*@)?\[?(?:[^/?#@:]*\.)?(?:{hosts})\.?\]?(?:[:/?#\s]|$)",
        re.IGNORECASE,
    )


def owner_of(host: str, extra_hosts: tuple[str, ...] = ()) -> str:
    """Return the owner of a host: a key that one of Together's hosts accepts works at all of them."""
    return TOGETHER if is_together_host(host, extra_hosts) else _normal(host)


def is_of_together(header_names: Iterable[str], body: str) -> bool:
    """Return whether a response has a header of Together's own, or a link to its site.

    The shape of the error body proves nothing: OpenAI and many gateways use the same. The body is
    its text, or as the SDK parsed it.
    """
    names = "\n".join(("", *header_names)).lower()
    return _HEADER in names or re.search(_LINK, body) is not None


def is_sign_in(content_type: str | None, authenticate: str | None = None, body: str = "") -> bool:
    """Return whether a response asks a user to log in, as those of proxies and firewalls do.

    ``authenticate`` is its WWW-Authenticate, ``body`` the beginning of its text.
    """
    if "html" in (content_type or "").lower() or re.match(_PAGE, body):
        return True
    return (authenticate or "").strip().lower().startswith(_SIGN_IN)


def _normal(host: str) -> str:
    return host.lower().rstrip(".")
