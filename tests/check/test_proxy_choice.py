"""Which proxy a host is reached by: the one that httpx takes, as the SDK's client is httpx."""

from __future__ import annotations

import httpx
import pytest

from together_otel.cli.check.addresses import Address
from together_otel.cli.check.proxies import proxy_for

PLACES = [
    ("https", "api.together.ai", 443),
    ("https", "together.ai", 443),
    ("https", "api.together.ai", 8443),
    ("http", "api.together.ai", 80),
    ("http", "127.0.0.1", 8080),
    ("http", "localhost", 8080),
    ("http", "::1", 8080),
]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"HTTP_PROXY": "http://one:1"},
        {"HTTPS_PROXY": "http://one:1"},
        {"HTTPS_PROXY": "one:1"},
        {"HTTPS_PROXY": "http://one:1", "https_proxy": "http://two:2"},
        {"HTTPS_PROXY": "http://one:1", "https_proxy": ""},
        {"HTTP_PROXY": "http://one:1", "REQUEST_METHOD": "GET"},
        {"ALL_PROXY": "http://one:1"},
        {"ALL_PROXY": "http://one:1", "HTTPS_PROXY": "http://two:2"},
        *(
            {"ALL_PROXY": "http://one:1", "NO_PROXY": excepted}
            for excepted in (
                "*",
                "together.ai",
                ".together.ai",
                "ai",
                "ether.ai",
                "api.together.ai",
                "x.api.together.ai",
                "other,  Together.AI ,",
                "api.together.ai:8443",
                "together.ai:1",
                "https://api.together.ai",
                "http://api.together.ai",
                "https://together.ai",
                "127.0.0.1",
                "127.0.0.0/8",
                "0.0.1",
                "localhost",
                "::1",
                "*.together.ai",
            )
        ),
        {"ALL_PROXY": "http://one:1", "NO_PROXY": "x", "no_proxy": "together.ai"},
    ],
)
def test_the_same_proxy_as_httpx(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK's client takes it, so it is httpx that is right."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with httpx.Client(verify=False) as client:  # noqa: S501 - it sends nothing
        for scheme, host, port in PLACES:
            address = Address(scheme, host, port, "/v1/models", "")
            transport = client._transport_for_url(httpx.URL(address.url))
            expected = None
            if transport is not client._transport:
                url = transport._pool._proxy_url  # type: ignore[attr-defined]
                expected = (url.host.decode(), url.port or 80)
            found = proxy_for(address, environment)
            assert (found and (found.host, found.port)) == expected, address.url
