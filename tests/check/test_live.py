"""`together-otel check --live`: one request, and what each answer or its lack is called."""

import socket
from importlib import metadata

import pytest
from gateways import no_such_name

from together_otel.cli import main
from together_otel.cli.check import addresses
from together_otel.cli.check import request as asking
from together_otel.testing import TogetherServer, behaviours

HTML = "<html><body>Welcome</body></html>"


def test_an_accepted_key(check, key, together):
    """One request, with the key as it is, for what each generation of the SDK has."""
    code, found = check()
    assert (code, found["can_work"], found["cause"]) == (0, True, None)
    assert found["live"] == {
        "outcome": "accepted",
        "detail": "127.0.0.1 accepts the key. It is not one of Together's hosts.",
        "status_code": 200,
        "url": f"{together.url}/v1/models",
        "server_address": "127.0.0.1",
        "server_port": int(together.url.rpartition(":")[2]),
        "proxy": None,
        "request_id": "req-1",
    }
    (request,) = together.requests
    assert (request.method, request.path, request.key) == ("GET", "/v1/models", key)
    assert request.headers["user-agent"] == "together-otel"


@pytest.mark.parametrize(
    ("behaviour", "code", "outcome", "cause", "status"),
    [
        (behaviours.refuse(), 1, "refused", "rejected", 401),
        (behaviours.echo_key(), 1, "refused", "rejected", 401),
        (behaviours.forbidden_key(), 1, "refused", "rejected", 403),
        (behaviours.forbidden_key(400), 1, "refused", "rejected", 400),
        (behaviours.refuse("html"), 1, "refused", "wrong_endpoint", 401),
        (behaviours.refuse("text"), 1, "refused", "wrong_endpoint", 401),
        (behaviours.forbidden_context(), 2, "forbidden", None, 403),
        (behaviours.refuse("html", status=403), 2, "forbidden", None, 403),
        (behaviours.payment_required(), 2, "payment_required", None, 402),
        (behaviours.rate_limited(), 2, "rate_limited", None, 429),
        (behaviours.server_error(503), 2, "server_error", None, 503),
        (behaviours.error(404, "Not found"), 2, "wrong_base_url", None, 404),
        (behaviours.custom(200, HTML, content_type="text/html"), 2, "wrong_base_url", None, 200),
        (behaviours.error(418, "I'm a teapot"), 2, "unexpected_answer", None, 418),
        (behaviours.drop_connection(), 2, "connection_lost", None, None),
    ],
)
def test_what_an_answer_means(behaviour, code, outcome, cause, status, check, together):
    """Exit code 1 only for what is the key's; each has a remedy; nothing is asked twice."""
    together.script(behaviour)
    found_code, found = check()
    assert (found_code, found["live"]["outcome"], found["cause"]) == (code, outcome, cause)
    assert found["live"]["status_code"] == status
    assert found["can_work"] is (False if code == 1 else None)
    assert found["remedy"]
    assert len(together.requests) == 1


def test_what_a_server_says_is_shown_without_the_key(check, key, together, capsys):
    """Nor with orders to a terminal."""
    together.always(behaviours.error(429, f"\x1b[2JSlow down, {key}"))
    _, found = check()
    assert found["live"]["detail"] == "127.0.0.1 answered 429:  [2JSlow down, tgp_v1[key]."
    assert main(["check", "--live"]) == 2
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert key[7:15] not in out


@pytest.mark.parametrize(
    ("value", "cause"),
    [("", "empty"), ("your-api-key", "malformed"), ("sk" + "-" + "a1B2" * 10, "wrong_provider")],
)
def test_a_key_that_cannot_work_is_not_sent(value, cause, check, together):
    code, found = check(TOGETHER_API_KEY=value)
    assert (code, found["cause"], found["live"]["outcome"]) == (1, cause, "not_sent")
    assert not together.requests


def test_an_unknown_shape_is_sent(check, together):
    """An OAuth token may be right."""
    assert check(TOGETHER_API_KEY="an-opaque-token-9431")[0] == 0
    together.script(behaviours.refuse())
    assert check()[1]["cause"] == "unknown"


def test_the_file_counts_for_all_variables(check, key, together, tmp_path, monkeypatch):
    monkeypatch.delenv("TOGETHER_API_KEY")
    monkeypatch.delenv("TOGETHER_BASE_URL")
    file = tmp_path / ".env"
    file.write_text(f"TOGETHER_API_KEY={key}\nTOGETHER_BASE_URL={together.url}\n")
    assert check("--env-file", str(file))[0] == 0
    assert [request.key for request in together.requests] == [key]


# ── redirects ────────────────────────────────────────────────────────────────────────


def test_a_redirect_is_not_followed(check, together):
    """To another host the key would not go: the cause is told, and nothing sent there."""
    with TogetherServer() as elsewhere:
        together.script(behaviours.redirect(elsewhere.url.replace("127.0.0.1", "localhost")))
        code, found = check()
        assert (code, found["cause"]) == (1, "redirected")
        assert found["live"]["outcome"] == "redirected"
        assert "127.0.0.1 was redirected to localhost" in found["remedy"]
        assert len(together.requests) == 1
        assert not elsewhere.requests


def test_a_redirect_to_another_port(check, together):
    """That is another place, too, as HTTP clients see it."""
    with TogetherServer() as elsewhere:
        together.script(behaviours.redirect(elsewhere.url))
        assert elsewhere.url.removeprefix("http://") in check()[1]["remedy"]
        assert not elsewhere.requests


@pytest.mark.parametrize("to", ["/v2/models", "https://[::1", "http://127.0.0.1:99999", ""])
def test_redirects_that_keep_the_key_or_lead_nowhere(to, check, together):
    together.script(behaviours.custom(308, b"", {"Location": to}))
    code, found = check()
    assert (code, found["cause"]) == (2, None)


# ── the base URL ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sdk", "base", "path"),
    [
        ((3, 1), "", "/v1/models"),
        ((3, 1), "/", "/v1/models"),
        ((3, 1), "/gateway", "/gateway/v1/models"),
        ((2, 42), "/v1", "/v1/models"),
        ((1, 5), "/v1/", "/v1/models"),
        (None, "/v1", "/v1/models"),
        (None, "", "/v1/models"),
    ],
)
def test_the_path_is_that_of_the_sdk(sdk, base, path, check, together, monkeypatch):
    """The one that is installed decides whether TOGETHER_BASE_URL ends in /v1."""
    monkeypatch.setattr(asking, "installed_sdk", lambda: sdk)
    monkeypatch.setenv("TOGETHER_BASE_URL", together.url + base)
    together.always(behaviours.accept())
    check()
    assert [request.path for request in together.requests] == [path]


def test_the_sdk_that_is_installed(monkeypatch):
    """Its version is read, and it is not imported."""
    found = addresses.installed_sdk()
    assert found is not None
    assert metadata.version("together").startswith(f"{found[0]}.{found[1]}.")
    monkeypatch.setattr(addresses, "release_of", lambda _: None)
    assert addresses.installed_sdk() is None


@pytest.mark.parametrize(
    ("sdk", "base", "advice"),
    [
        ((3, 1), "/v1", "together 3.x appends /v1 to TOGETHER_BASE_URL itself"),
        ((2, 42), "", "together 2.x needs /v1 at the end of TOGETHER_BASE_URL"),
    ],
)
def test_the_wrong_path_for_the_sdk(sdk, base, advice, unknown, together, monkeypatch):
    monkeypatch.setattr(asking, "installed_sdk", lambda: sdk)
    monkeypatch.setenv("TOGETHER_BASE_URL", together.url + base)
    together.always(behaviours.error(404, "Not found"))
    found = unknown("wrong_base_url")
    assert advice in found["live"]["detail"]


@pytest.mark.parametrize(
    "base",
    [
        "",
        "api.together.ai",
        "ftp://api.together.ai",
        "https://",
        "http://127.0.0.1:port",
        "http://127.0.0.1:1/ v1",
        "http://127.0.0.1:1/v1\n",
        "http://127.0.0.1:1/v1?key=secret9431",
        "http://user:secret9431@127.0.0.1:1",
    ],
)
def test_no_base_url_at_all(base, unknown):
    """Nothing is sent, and neither passwords nor queries are told."""
    found = unknown("wrong_base_url", TOGETHER_BASE_URL=base)
    assert "secret9431" not in str(found)


def test_a_key_in_the_base_url(check, key, together, monkeypatch):
    """In the path, and in place of the host, where it is in lower case."""
    _, found = check(TOGETHER_BASE_URL=f"{together.url}/{key}")
    assert found["live"]["url"] == f"{together.url}/tgp_v1[key]/v1/models"
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    _, found = check(TOGETHER_BASE_URL=f"https://{key}")
    assert key[7:15].lower() not in str(found)


def test_another_client(check, unknown, key, together, monkeypatch):
    """Its own variables are asked with: of the key, and of the base URL."""
    monkeypatch.delenv("TOGETHER_API_KEY")
    code, found = check(
        "--client", "openai", OPENAI_API_KEY=key, OPENAI_BASE_URL=f"{together.url}/v1"
    )
    assert (code, found["live"]["url"]) == (0, f"{together.url}/v1/models")
    found = unknown("wrong_base_url", "--client", "openai", OPENAI_BASE_URL="")
    assert found["live"]["detail"] == "OPENAI_BASE_URL is set but empty."
    assert found["remedy"].startswith("Correct OPENAI_BASE_URL")
