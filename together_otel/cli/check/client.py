"""HTTP client with the proxies and certificates that the SDK's client would use."""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx

from together_otel.cli.check.addresses import Address
from together_otel.cli.check.outcomes import NoAnswer
from together_otel.clients.addresses import in_url, port_of

_BUNDLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that httpx reads. together 1.x uses requests, which reads `_BUNDLES_OF_REQUESTS`."""
_BUNDLES_OF_REQUESTS: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def make_client(
    variables: Mapping[str, str], sdk: tuple[int, int] | None, limit: float
) -> httpx.Client:
    """Return a client with a timeout of each step in seconds, or raise `NoAnswer`."""
    verify = _certificates(variables, sdk)
    names = " or ".join(name for name, value in variables.items() if value and _is_proxy(name))
    try:
        with _in_effect(variables):
            return httpx.Client(verify=verify, timeout=limit)
    # Without the exceptions' messages, which may contain a proxy's password.
    except ImportError:
        raise NoAnswer(
            "proxy_unsupported",
            f"{names} names a SOCKS proxy, which needs another package:"
            f" pip install 'httpx[socks]'.",
        ) from None
    except ValueError:
        raise NoAnswer("proxy_unsupported", f"{names} names a proxy of an unknown kind.") from None
    except httpx.InvalidURL:
        raise NoAnswer("proxy_unreachable", f"{names} is not the URL of a proxy.") from None


def parsed(address: Address) -> httpx.URL:
    """Return an address as httpx parses it. Raises `NoAnswer` if its host is not a valid name."""
    try:
        return httpx.URL(address.url)
    except httpx.InvalidURL:
        detail = f"The host name {address.host} cannot be resolved: it is not valid."
        raise NoAnswer("dns_failure", detail) from None


def proxy_at(host: str, port: int, variables: Mapping[str, str]) -> str:
    """Return host and port of a proxy, with the variable that sets it."""
    named_by = "the system's settings"
    for variable in sorted(filter(_is_proxy, variables)):  # lower-case names last
        value = variables[variable]
        with suppress(httpx.InvalidURL):  # a proxy that is not used for this URL
            url = httpx.URL(value if "://" in value else f"http://{value}")
            if (url.raw_host.decode(), port_of(url) or port) == (host, port):
                named_by = variable
    return f"{in_url(host)}:{port} ({named_by})"


def _certificates(
    variables: Mapping[str, str], sdk: tuple[int, int] | None
) -> ssl.SSLContext | bool:
    for name in _BUNDLES_OF_REQUESTS if sdk is not None and sdk[0] == 1 else _BUNDLES:
        if path := variables.get(name):
            try:
                file, folder = (None, path) if Path(path).is_dir() else (path, None)
                return ssl.create_default_context(cafile=file, capath=folder)
            except (OSError, ValueError):
                raise NoAnswer(
                    "tls_failure", f"The certificates in {name} cannot be read."
                ) from None
    return True


def _is_proxy(variable: str) -> bool:
    return variable.lower() in _PROXIES


@contextmanager
def _in_effect(variables: Mapping[str, str]) -> Iterator[None]:
    """Add the proxies of a ``.env`` file to the environment, where httpx reads them."""
    added = {name: variables[name] for name in variables.keys() - os.environ if _is_proxy(name)}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
