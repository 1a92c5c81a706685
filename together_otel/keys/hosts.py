"""Whose a host is, and whether an answer is Together's by what it says."""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

TOGETHER: Final = "together"
"""Whose all of Together's hosts are."""

_DOMAINS: Final = ("together.ai", "together.xyz")
_BELOW: Final = tuple(f".{one}" for one in _DOMAINS)
_LINK: Final = r"(?i)https?:\\?/\\?/(?:[a-z0-9-]{1,63}\.){0,4}together\.(?:ai|xyz)(?![\w-]|\.\w)"
_HEADER: Final = "\nx-together-"
_PAGE: Final = (
    r"(?i)(?:\ufeff|\u00ef\u00bb\u00bf)?\s*(?:<\?xml[^>]{0,200}>\s*)?"
    r"<(?:!--|!doctype html|(?:html|head|title|meta|script|body|center)\b)"
)
"""How a page begins, after a byte-order mark, which may have been read as Latin-1."""
_SIGN_IN: Final = ("basic", "digest", "ntlm", "negotiate", "kerberos")
"""Schemes of WWW-Authenticate that ask for a person's sign-in and not for a key."""


def hosts_in(setting: str) -> tuple[str, ...]:
    """Return the hosts that a setting lists, separated by commas; of URLs and ports, the hosts."""
    found = []
    for one in setting.split(","):
        text = one.strip()
        try:
            host = urlsplit(text if "://" in text else f"//{text}").hostname
        except ValueError:
            continue
        if host:
            found.append(_normal(host))
    return tuple(found)


@lru_cache(maxsize=256)
def is_together_host(host: str | None, extra_hosts: tuple[str, ...] = ()) -> bool:
    """Return whether a host is Together's.

    Args:
        host: its name, in any case of letters.
        extra_hosts: further ones that count as Together's, as `hosts_in` returns them; so do the
            names below them.
    """
    if host is None:
        return False
    name = f".{_normal(host)}"
    return name.endswith(_BELOW) or any(name.endswith(f".{one}") for one in extra_hosts)


def names_of(extra_hosts: Collection[str] = ()) -> tuple[str, ...]:
    """Return what the name of a host that is Together's may end with, as a first look at it.

    Args:
        extra_hosts: further ones that count as Together's.
    """
    hosts = (*_DOMAINS, *extra_hosts)
    return *hosts, *(f"{host}." for host in hosts)


def first_look(extra_hosts: Collection[str] = ()) -> re.Pattern[str]:
    """Return what matches the beginning of a URL that may be of a host that is Together's.

    Args:
        extra_hosts: further ones that count as Together's.
    """
    hosts = "|".join(re.escape(host) for host in (*_DOMAINS, *extra_hosts))
    return re.compile(
        rf"\s*(?:https?|wss?)://(?:[^/?#]*@)?\[?(?:[^/?#@:]*\.)?(?:{hosts})\.?\]?(?:[:/?#\s]|$)",
        re.IGNORECASE,
    )


def owner_of(host: str, extra_hosts: tuple[str, ...] = ()) -> str:
    """Return whose a host is: a key that one of Together's hosts accepts is good at all of them."""
    return TOGETHER if is_together_host(host, extra_hosts) else _normal(host)


def is_of_together(header_names: Iterable[str], body: str) -> bool:
    """Return whether anything in an answer is Together's: a header of its own, or a link to its site.

    The shape of the error body is OpenAI's and many gateways' too, and proves nothing.

    Args:
        header_names: names of the answer's headers.
        body: its body as text, or what an SDK made of it.
    """
    names = "\n".join(("", *header_names)).lower()
    return _HEADER in names or re.search(_LINK, body) is not None


def is_sign_in(content_type: str | None, authenticate: str | None = None, body: str = "") -> bool:
    """Return whether an answer asks a person to sign in, as proxies and firewalls do.

    Args:
        content_type: the answer's Content-Type.
        authenticate: its WWW-Authenticate.
        body: its body as text; the beginning will do.
    """
    if "html" in (content_type or "").lower() or re.match(_PAGE, body):
        return True
    return (authenticate or "").strip().lower().startswith(_SIGN_IN)


def _normal(host: str) -> str:
    return host.lower().rstrip(".")
