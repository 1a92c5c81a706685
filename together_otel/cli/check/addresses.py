"""Where the SDK that is installed here would send its requests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from together_otel.cli.check.outcomes import Trouble
from together_otel.clients.addresses import in_url, port_of

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE_URL: Final = "TOGETHER_BASE_URL"

_FIRST_WITHOUT_V1: Final = 3
_FIRST_OF_TOGETHER_AI: Final = (2, 12)
_XYZ: Final = "https://api.together.xyz/v1"
_AI: Final = "https://api.together.ai/v1"
_LISTING: Final = "/models"
"""Every generation has it, and so have gateways; only the head of its answer is read."""


@dataclass(frozen=True, slots=True)
class Address:
    """One URL, in parts; no user name or password is among them.

    Attributes:
        wrong_path: what is amiss if nothing is found there.
    """

    scheme: str
    host: str
    port: int
    path: str
    wrong_path: str

    @property
    def netloc(self) -> str:
        """Host and port as they stand in a URL."""
        host = in_url(self.host)
        own = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == own else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """All of it."""
        return f"{self.scheme}://{self.netloc}{self.path}"


def installed_sdk() -> tuple[int, int] | None:
    """Return major and minor version of the SDK, ``None`` where there is none."""
    try:
        found = re.match(r"(\d+)\.(\d+)", metadata.version("together"))
    except metadata.PackageNotFoundError:
        return None
    return found and (int(found[1]), int(found[2]))


def address_of(variables: Mapping[str, str], sdk: tuple[int, int] | None) -> Address:
    """Return what to ask for the list of models.

    Args:
        variables: environment variables.
        sdk: major and minor version of the SDK, ``None`` where there is none.

    Raises:
        Trouble: when TOGETHER_BASE_URL is no URL to ask, or takes the key's place.
    """
    base = variables.get(BASE_URL)
    if base is None:
        return _parts(_XYZ if sdk is not None and sdk < _FIRST_OF_TOGETHER_AI else _AI, (2, 12))
    return _parts(base, sdk)


def _parts(base: str, sdk: tuple[int, int] | None) -> Address:
    if not base:
        raise Trouble("wrong_base_url", f"{BASE_URL} is set and empty.")
    if re.search(r"[\s\x00-\x1f\x7f]", base):
        raise Trouble("wrong_base_url", f"{BASE_URL} has white space or a control character in it.")
    try:
        parts = urlsplit(base)
        host, port = parts.hostname, port_of(parts)
    except ValueError:
        host = port = None
    if not host or port is None or parts.scheme not in ("http", "https"):
        raise Trouble("wrong_base_url", f"{BASE_URL} is no http:// or https:// URL.")
    if "@" in parts.netloc:
        raise Trouble(
            "wrong_base_url",
            f"{BASE_URL} has a user name or password in it, which HTTP clients send in the"
            f" Authorization header in place of the key: nothing was sent.",
        )
    if parts.query or parts.fragment:
        raise Trouble("wrong_base_url", f"{BASE_URL} has a ? or # in it: requests' paths follow.")
    path = parts.path.rstrip("/")
    has_v1 = path.endswith("/v1")
    wants_v1 = not has_v1 if sdk is None else sdk[0] >= _FIRST_WITHOUT_V1
    wrong = ""
    if sdk is not None and wants_v1 == has_v1:
        wrong = (
            f"together {sdk[0]}.x puts /v1 behind {BASE_URL} itself: take it off there."
            if has_v1
            else f"together {sdk[0]}.x wants /v1 at the end of {BASE_URL}."
        )
    path = quote(path + ("/v1" if wants_v1 else "") + _LISTING, safe="/%:@!$&'()*+,;=~")
    return Address(parts.scheme, host, port, path, wrong)
