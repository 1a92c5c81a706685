"""URL to which the installed SDK would send its requests."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from together_otel.cli.check.outcomes import NoAnswer
from together_otel.clients.addresses import DEFAULT_PORTS, in_url, port_of
from together_otel.keys import TOGETHER, Reader
from together_otel.plain.installed import release_of

_FIRST_WITHOUT_V1: Final = 3
_FIRST_OF_TOGETHER_AI: Final = (2, 12)
_XYZ: Final = "https://api.together.xyz/v1"
_AI: Final = "https://api.together.ai/v1"
_LISTING: Final = "/models"
"""Path of the list of models, which all generations and gateways have; its body is not read."""


@dataclass(frozen=True, slots=True)
class Address:
    """Parts of a URL without credentials, and an error in its path, to report with a 404."""

    scheme: str
    host: str
    port: int
    path: str
    wrong_path: str

    @property
    def url(self) -> str:
        """The whole URL."""
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{in_url(self.host)}{port}{self.path}"


def installed_sdk() -> tuple[int, int] | None:
    """Return major and minor version of the SDK, or ``None`` if it is not installed."""
    found = re.match(r"(\d+)\.(\d+)", release_of("together") or "")
    return found and (int(found[1]), int(found[2]))


def address_of(
    variables: Mapping[str, str], sdk: tuple[int, int] | None, reader: Reader
) -> Address:
    """Return the URL of the list of models. Raises `NoAnswer` if the base URL is not usable."""
    name = next((one for one in reader.base_urls if one in variables), None)
    if name is None:
        return _parts(_XYZ if sdk is not None and sdk < _FIRST_OF_TOGETHER_AI else _AI, (2, 12))
    return _parts(variables[name], sdk if reader == TOGETHER else None, name)


def _parts(base: str, sdk: tuple[int, int] | None, name: str = "") -> Address:
    def wrong(why: str) -> NoAnswer:
        return NoAnswer("wrong_base_url", f"{name} {why}.")

    if not base:
        raise wrong("is set but empty")
    if re.search(r"[\s\x00-\x1f\x7f]", base):
        raise wrong("contains white space or a control character")
    try:
        parts = urlsplit(base)
        host, port = parts.hostname, port_of(parts)
    except ValueError:
        host = port = None
    if not host or port is None or parts.scheme not in ("http", "https"):
        raise wrong("is not a valid http:// or https:// URL")
    if "@" in parts.netloc:
        raise wrong(
            "contains a user name or password, which HTTP clients send in the Authorization"
            " header instead of the key: nothing was sent"
        )
    if parts.query or parts.fragment:
        raise wrong("contains ? or #, but paths are appended to it")
    path = parts.path.rstrip("/")
    has_v1 = path.endswith("/v1")
    wants_v1 = not has_v1 if sdk is None else sdk[0] >= _FIRST_WITHOUT_V1
    wrong_path = ""
    if sdk is not None and wants_v1 == has_v1:
        wrong_path = (
            f"together {sdk[0]}.x appends /v1 to {name} itself: remove it there."
            if has_v1
            else f"together {sdk[0]}.x needs /v1 at the end of {name}."
        )
    path = quote(path + ("/v1" if wants_v1 else "") + _LISTING, safe="/%:@!$&'()*+,;=~")
    return Address(parts.scheme, host, port, path, wrong_path)
