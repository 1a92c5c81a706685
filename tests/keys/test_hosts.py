"""Whose a host is, and what in an answer is Together's."""

import pytest

from together_otel.keys.hosts import (
    hosts_in,
    is_of_together,
    is_sign_in,
    is_together_host,
    names_of,
    owner_of,
    url_pattern,
)


@pytest.mark.parametrize(
    "host",
    [
        "together.ai",
        "api.together.ai",
        "api.together.xyz",
        "API.Together.AI",
        "api.together.ai.",
        "api-inference.together.ai",
        "eu.api.together.ai",
        "together.xyz",
    ],
)
def test_together_host(host):
    assert is_together_host(host)
    assert owner_of(host) == "together"


@pytest.mark.parametrize(
    "host",
    ["", "127.0.0.1", "nottogether.ai", "together.ai.example.com", "api.openai.com", "Gw.Example."],
)
def test_another_host(host):
    assert not is_together_host(host)
    assert owner_of(host) == host.lower().rstrip(".")


def test_no_host():
    assert not is_together_host(None)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("gw.example", True),
        ("GW.Example.", True),
        ("eu.gw.example", True),
        ("::1", True),
        ("other.example", False),
        ("mygw.example", False),
        ("api.together.ai", True),
    ],
)
def test_hosts_of_a_setting(host, expected):
    extra = hosts_in("gw.example:8443, [broken, https://user@GW2.example./v1 ,, [::1]:80")
    assert extra == ("gw.example", "gw2.example", "::1")
    assert hosts_in("*.gw.example .gw2.example; [::1] *") == extra
    assert is_together_host(host, extra) is expected
    assert (owner_of(host, extra) == "together") is expected


LINK = "You can find your API key at https://api.together.xyz/settings/api-keys."


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ([], LINK, True),
        ([], str({"error": {"message": LINK, "code": "invalid_api_key"}}), True),
        ([], "https:\\/\\/api.together.ai\\/settings", True),
        ([], "see HTTP://TOGETHER.AI", True),
        (["Content-Type", "X-Together-TraceId"], "", True),
        (["content-type", "x-request-id"], "", False),
        ([], "", False),
        ([], str({"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}), False),
        ([], "https://api.together.ai.evil.example/", False),
        ([], "https://nottogether.ai/ https://together.aix together.ai", False),
        ([], "https://platform.openai.com/account/api-keys", False),
    ],
)  # fmt: skip
def test_of_together(headers, body, expected):
    """A link to its site or a header of its own; the shape of the body proves nothing."""
    assert is_of_together(headers, body) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (("text/html",), True),
        (("Text/HTML; charset=utf-8", None, ""), True),
        (("application/xhtml+xml",), True),
        ((None, None, "\n<!DOCTYPE html><html>"), True),
        (("text/plain", None, "<?xml version='1.0'?>\n<html>"), True),
        (("text/plain", None, "<!-- a proxy's --><html>"), True),
        (("text/plain", None, "\ufeff<!doctype html>"), True),
        (("text/plain", None, b"\xef\xbb\xbf<html>".decode("latin-1")), True),
        (("text/plain", None, "<head><title>Sign in</title>"), True),
        (("text/plain", None, "\n<body onload='go()'>"), True),
        (("application/xml", None, "<header/>"), False),
        ((None, 'Basic realm="gateway"'), True),
        (("application/json", "NTLM"), True),
        (("application/json", "Bearer"), False),
        (("application/json", None, '{"error": "<html>"}'), False),
        (("text/plain", None, "Unauthorized"), False),
        ((None,), False),
    ],
)
def test_sign_in(answer, expected):
    assert is_sign_in(*answer) is expected  # type: ignore[arg-type]  # only the last is always text


def test_the_pattern_lets_every_host_of_togethers_pass() -> None:
    """They are quicker than the decision, and say no to none that it says yes to."""
    hosts = ("api.together.xyz", "together.ai.", "API.Together.AI", "gw.example", "a.gw.example")
    pattern = url_pattern(("gw.example",))
    for host in hosts:
        assert is_together_host(host, ("gw.example",))
        assert host.lower().endswith(names_of(("gw.example",)))
        for url in (f"https://{host}/v1", f"http://u:p@{host}:80/v1", f" https://{host}"):
            assert pattern.match(url)
    for url in ("https://api.openai.com/v1", "https://nottogether.ai/", "https://x/together.ai"):
        assert not pattern.match(url)
