"""`together-otel check --live` by proxies and in TLS, each on loopback and each failing by its name."""

import os
import ssl
import sys

import httpx
import pytest
import trustme
from gateways import Dripping, Proxy, Socks, together_in_tls
from serving import serving

from together_otel.testing.ports import free_port

PASSWORD = "p%40ss-9431"  # noqa: S105 - of nothing
NAME = "together.example"


@pytest.fixture(scope="module")
def authority():
    """Somebody whose certificates nobody trusts unasked."""
    return trustme.CA()


@pytest.fixture
def tls(authority):
    """A Together of that name, in TLS; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME, "localhost").configure_cert(context)
    with together_in_tls(context) as port:
        yield port


@pytest.fixture
def bundle(authority, tmp_path):
    """A file that makes it trusted."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


# ── proxies ──────────────────────────────────────────────────────────────────────────


def test_by_an_http_proxy(check, together):
    """It gets the whole URL, and its own user name and password; nobody else hears of these."""
    with serving(Proxy()) as proxy:
        code, found = check(HTTP_PROXY=f"http://user:{PASSWORD}@{proxy.address}")
    assert (code, found["live"]["outcome"]) == (0, "accepted")
    assert found["live"]["proxy"] == f"{proxy.address} (HTTP_PROXY)"
    assert proxy.asked == [("GET", f"{together.url}/v1/models", "Basic dXNlcjpwQHNzLTk0MzE=")]
    assert len(together.requests) == 1
    assert "9431" not in str(found)


def test_through_a_tunnel(check, tls, bundle, monkeypatch):
    """The name is the proxy's to look up; TLS is with Together."""
    monkeypatch.setenv("TOGETHER_BASE_URL", f"https://{NAME}:8443")
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    with serving(Proxy(leads_to=tls)) as proxy:
        code, found = check(https_proxy=f"user:{PASSWORD}@{proxy.address}")
    assert (code, found["live"]["outcome"]) == (0, "accepted")
    assert found["live"]["proxy"] == f"{proxy.address} (https_proxy)"
    assert proxy.asked == [("CONNECT", f"{NAME}:8443", "Basic dXNlcjpwQHNzLTk0MzE=")]


@pytest.mark.parametrize("status", [403, 407, 502, 500])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses(scheme, status, check, monkeypatch):
    """It is the proxy's answer, and not Together's, where that can be told."""
    monkeypatch.setenv("TOGETHER_BASE_URL", f"{scheme}://{NAME}")
    with serving(Proxy(refuses=status)) as proxy:
        code, found = check(ALL_PROXY=f"http://user:{PASSWORD}@{proxy.address}")
    if scheme == "https" or status == 407:
        assert (code, found["live"]["outcome"]) == (2, "proxy_refused")
        assert f"The proxy {proxy.address} (ALL_PROXY) answered {status}" in found["live"]["detail"]
    else:
        assert code == 2
    assert len(proxy.asked) == 1
    assert "9431" not in str(found)


def test_a_proxy_that_is_not_there(unknown, together):
    """Its host and variable are told, without user name and password."""
    port = free_port()
    found = unknown("proxy_unreachable", HTTP_PROXY=f"http://user:{PASSWORD}@127.0.0.1:{port}")
    assert f"127.0.0.1:{port} (HTTP_PROXY)" in found["live"]["detail"]
    assert "9431" not in str(found)
    assert not together.requests


def test_a_proxy_that_is_none(unknown, together):
    """What it answers to CONNECT is no tunnel."""
    unknown("proxy_refused", TOGETHER_BASE_URL=f"https://{NAME}", HTTPS_PROXY=together.url)


def test_a_proxy_that_speaks_no_http(unknown, monkeypatch):
    monkeypatch.setenv("TOGETHER_BASE_URL", f"https://{NAME}")
    with Dripping(b"220 mail.example ESMTP\r\n\r\n") as server:
        unknown("proxy_unreachable", HTTPS_PROXY=server.url)


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ("socks4://user:secret9431@127.0.0.1:1", "proxy_unsupported"),
        ("https://user:secret9431@127.0.0.1:1", "proxy_unreachable"),
        ("http://user:secret9431@", "proxy_unreachable"),
        ("http://127.0.0.1:port", "proxy_unreachable"),
    ],
)
def test_proxies_that_cannot_be_used(value, outcome, unknown, together):
    found = unknown(outcome, HTTP_PROXY=value)
    assert "secret9431" not in str(found)
    assert not together.requests


def test_socks_without_its_package(unknown, monkeypatch):
    """The SDK's client could not be made either; what is missing is told."""
    # Imported while it is missing, the HTTP client would miss it in later tests as well.
    httpx.Client().close()
    monkeypatch.setitem(sys.modules, "socksio", None)
    found = unknown("proxy_unsupported", ALL_PROXY="socks5://user:secret9431@127.0.0.1:1")
    assert "pip install 'httpx[socks]'" in found["live"]["detail"]
    assert "secret9431" not in str(found)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_by_a_socks_proxy(scheme, check, unknown, together, tls, bundle, monkeypatch):
    """It looks up the name, and refuses those who do not know its password."""
    port = tls if scheme == "https" else int(together.url.rpartition(":")[2])
    monkeypatch.setenv("TOGETHER_BASE_URL", f"{scheme}://{NAME}:8443")
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    with serving(Socks(leads_to=port, password="p@ss-9431")) as proxy:  # noqa: S106 - of nothing
        code, found = check(all_proxy=f"socks5://user:{PASSWORD}@{proxy.address}")
        assert (code, found["live"]["outcome"]) == (0, "accepted")
        assert found["live"]["proxy"] == f"{proxy.address} (all_proxy)"
        assert proxy.asked == [f"{NAME}:8443"]
        unknown("proxy_refused", all_proxy=f"socks5://user:wrong@{proxy.address}")


def test_a_socks_proxy_that_is_none(unknown, together):
    with Dripping(b"220 mail.example ESMTP\r\n\r\n") as server:
        unknown("proxy_unreachable", ALL_PROXY=server.url.replace("http", "socks5"))
    assert not together.requests


def test_by_a_proxy_in_tls(check, unknown, together, authority, bundle):
    """Its certificate is looked at, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    proxy = Proxy()
    proxy.socket = context.wrap_socket(proxy.socket, server_side=True)
    with serving(proxy):
        found = unknown("tls_failure", HTTP_PROXY=f"https://localhost:{proxy.server_port}")
        assert "The certificate of localhost is not valid" in found["live"]["detail"]
        assert check(SSL_CERT_FILE=bundle)[0] == 0
    assert len(together.requests) == 1


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_the_variable_that_counts(variable, check, together, monkeypatch):
    """As for the SDK's client: in lower case first; the one of the scheme before that of all."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    for name in ("HTTP_PROXY", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, nowhere)
    monkeypatch.setenv("NO_PROXY", "other.example:80, 10.0.0.0/8")
    with serving(Proxy()) as proxy:
        code, found = check(**{variable: proxy.address})
    assert code == 0
    assert found["live"]["proxy"] == f"{proxy.address} ({variable})"
    assert len(together.requests) == 1


def test_a_proxy_of_a_file(check, together, tmp_path):
    """It counts for the request, and for nothing afterwards."""
    file = tmp_path / ".env"
    with serving(Proxy()) as proxy:
        file.write_text(f"HTTP_PROXY={proxy.address}\n")
        code, found = check("--env-file", str(file))
    assert code == 0
    assert found["live"]["proxy"] == f"{proxy.address} (HTTP_PROXY)"
    assert len(together.requests) == 1
    assert "HTTP_PROXY" not in os.environ


def test_no_proxy(check, together):
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert check(HTTP_PROXY=nowhere, NO_PROXY="other.example, 127.0.0.1")[0] == 0
    assert len(together.requests) == 1


# ── TLS ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sdk", "variable"), [((3, 1), "SSL_CERT_FILE"), ((1, 5), "REQUESTS_CA_BUNDLE")]
)
def test_certificates_that_a_variable_names(
    sdk, variable, check, unknown, tls, bundle, monkeypatch
):
    """The one that the SDK's HTTP client reads."""
    monkeypatch.setattr("together_otel.cli.check.request.installed_sdk", lambda: sdk)
    unknown("tls_failure", TOGETHER_BASE_URL=f"https://localhost:{tls}")
    assert check(**{variable: bundle})[0] == 0


def test_a_certificate_that_nobody_trusts(unknown, tls):
    """As a proxy's that looks into TLS; what to do names it."""
    found = unknown("tls_failure", TOGETHER_BASE_URL=f"https://localhost:{tls}")
    assert "The certificate of localhost is not valid: " in found["live"]["detail"]
    assert "SSL_CERT_FILE" in found["remedy"]


def test_another_hosts_certificate(unknown, tls, bundle):
    found = unknown(
        "tls_failure", TOGETHER_BASE_URL=f"https://127.0.0.1:{tls}", SSL_CERT_FILE=bundle
    )
    assert "not valid for '127.0.0.1'" in found["live"]["detail"]


@pytest.mark.parametrize("path", ["/absent.pem", "/" + "a" * 300])
def test_certificates_that_are_not_there(path, unknown):
    found = unknown("tls_failure", SSL_CERT_FILE=path)
    assert "SSL_CERT_FILE" in found["live"]["detail"]


def test_https_to_what_speaks_http(unknown, together):
    unknown("tls_failure", TOGETHER_BASE_URL=together.url.replace("http:", "https:"))
    assert not together.requests
