"""The error report's causes and what tells them apart, on the generation that is installed."""

from contextlib import suppress

import httpx
import pytest
from generation import GENERATION, MESSAGES, MODEL, leaks
from loopback import resolve_to_loopback
from refusal_cases import CASES, FOREIGN, OTHER, REFUSAL, TOGETHER
from reported import events, failures
from steps import each, tell, within

from together_otel.testing import behaviours
from together_otel.testing.server import TogetherServer

HOSTS = ("127.0.0.1", TOGETHER)


@pytest.fixture
def host(request, sdk, monkeypatch):
    """Where the server is: at a host of nobody's, or of Together's, which is resolved to it."""
    found = request.param
    resolve_to_loopback(monkeypatch, found)
    sdk.base_url = sdk.base_url.replace("127.0.0.1", found)
    return found


BY_THEMSELVES = {"missing", "empty", "malformed", "wrong_variable", "not_passed"}
"""Causes that are found by the key alone."""


def filled(value, **fields):
    """Return a case's text with what is only known now."""
    for name, text in fields.items():
        value = value.replace("{" + name + "}", text) if isinstance(value, str) else value
    return value


@pytest.mark.parametrize(
    ("case", "host"),
    [
        (case, host)
        for number, case in enumerate(CASES)
        # What a key lacks by itself is said without regard to the host: at one of them, in turn.
        for host in (HOSTS if case.cause not in BY_THEMSELVES else [HOSTS[number % 2]])
        if GENERATION in case.generations
    ],
    ids=str,
    indirect=["host"],
)
def test_cause_is_named_counted_once_and_remedied(
    case, host, sdk, server, key, telemetry, monkeypatch
):
    """Every way to get the key wrong gives one count, one event, one span with its cause."""
    if case.refuse is not None:
        server.always(case.refuse)
    for name, value in case.environment.items():
        monkeypatch.setenv(name, filled(value, key=key))
    argument = filled(case.argument, key=key)
    options = {} if argument is None else {"api_key": argument}

    with pytest.raises(BaseException):  # noqa: B017, PT011 - which one differs by generation
        sdk.chat(sdk.client(**options, **case.options), **case.asks)

    cause = case.elsewhere if case.elsewhere and host != TOGETHER else case.cause
    assert failures(telemetry) == {cause: 1}
    (event,) = events(telemetry)
    assert event["together.auth.cause"] == cause
    assert filled(case.names, host=host) in event["together.auth.remedy"]
    assert event["together.auth.remedy"].count(". ") == 0
    assert event["together.auth.runbook"].endswith(f"#cause-{cause}")
    (failed,) = [span for span in telemetry.spans() if span["status"] == "ERROR"]
    assert failed["attributes"]["together.auth.cause"] == cause
    assert failed["attributes"]["error.type"] == event["error.type"]
    everything = telemetry.everything()
    has_secret = isinstance(argument, str) and any(map(str.isdigit, argument))
    for secret in (key, OTHER, FOREIGN, *([argument] if has_secret else [])):
        assert leaks(everything, secret) == []


def test_revoked_key(sdk, server, key, telemetry):
    """Cause 3: a key accepted earlier and refused now is revoked, and says since when."""
    client = sdk.client(api_key=key)
    sdk.chat(client)
    server.revoke(key)

    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)

    (event,) = events(telemetry)
    assert event["together.auth.cause"] == "revoked"
    assert "was accepted until 20" in event["together.auth.remedy"]
    assert failures(telemetry) == {"revoked": 1}


def test_each_host_is_known_for_the_keys_it_accepted(sdk, server, key, telemetry):
    """Two in a row: what the second refuses later was right for it, whoever it is."""
    clients = [
        sdk.client(api_key=key, base_url=sdk.base_url.replace("127.0.0.1", host))
        for host in ("127.0.0.1", "localhost")
    ]
    for client in clients:
        sdk.chat(client)
    server.always(behaviours.custom(401, REFUSAL, foreign=True))

    for client in clients:
        with pytest.raises(Exception, match="Incorrect API key"):
            sdk.chat(client)

    assert failures(telemetry) == {"revoked": 2}


def test_a_login_page_accepts_no_key(sdk, server, key, telemetry):
    """A proxy that answers 200 with its page knows nothing of the key, which is refused later."""
    client = sdk.client(api_key=key)
    page = behaviours.custom(
        200, "<!doctype html><html>Sign in</html>", {"Content-Type": "text/html"}
    )
    server.always(page)
    with suppress(Exception):  # of 1.x
        sdk.chat(client)
    server.always(behaviours.forbidden_key(401))

    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)

    assert telemetry.metrics().get("together.client.key.last_accepted.timestamp", []) == []
    assert failures(telemetry) == {"rejected": 1}


@pytest.mark.skipif(GENERATION == 1, reason="1.x follows every redirect")
def test_a_redirect_that_nobody_follows_is_no_success(sdk, server, key, telemetry):
    """An HTTP client of one's own may follow none: the call fails, and the key is not accepted."""
    server.always(behaviours.custom(307, "", {"Location": "https://elsewhere.test/v1"}))
    http = httpx.AsyncClient if sdk.is_async else httpx.Client
    client = sdk.client(api_key=key, http_client=http(follow_redirects=False))

    with pytest.raises(Exception, match="307"):
        sdk.chat(client)

    requests = telemetry.metrics()["together.client.requests"]
    outcomes = {one["attributes"]["together.request.outcome"]: one["value"] for one in requests}
    assert outcomes == {"auth_failure": 0, "success": 0, "client_error": 1}
    assert telemetry.metrics().get("together.client.key.last_accepted.timestamp", []) == []


def test_a_key_with_a_space_is_not_the_one_that_was_accepted(sdk, key, telemetry):
    """What another client's good key is accepted for says nothing of a damaged copy of it."""
    sdk.chat(sdk.client(api_key=key))

    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(sdk.client(api_key=f" {key}"))

    (event,) = events(telemetry)
    assert event["together.auth.cause"] == "malformed"


def test_redirect_to_another_host_loses_the_key(sdk, server, key, telemetry):
    """A redirect makes the HTTP client drop the key; the second host's refusal says so."""
    with TogetherServer(keys=[key]) as elsewhere:
        server.always(behaviours.redirect(elsewhere.url.replace("127.0.0.1", "localhost")))
        with pytest.raises(Exception):  # noqa: B017, PT011 - the class differs by generation
            sdk.chat(sdk.client(api_key=key))

    (event,) = events(telemetry)
    assert event["together.auth.cause"] == "redirected"
    assert "to localhost" in event["together.auth.remedy"]


@pytest.mark.parametrize(
    ("behaviour", "counted"),
    [
        (behaviours.forbidden_key(403), 1),
        (behaviours.forbidden_key(400), 1),
        (behaviours.forbidden_key(422), 1),
        (behaviours.forbidden_key(500), 1),
        (behaviours.custom(403, {"error": {"code": 401, "message": "No credentials"}}), 1),
        (behaviours.refuse("text"), 1),
        (behaviours.refuse("html"), 1),
        (behaviours.echo_key(), 1),
        (behaviours.forbidden_context(), 0),
        (behaviours.payment_required(), 0),
        (behaviours.rate_limited(), 0),
        (behaviours.server_error(), 0),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, int) else str(value),
)
def test_what_counts_as_an_authentication_failure(behaviour, counted, sdk, server, key, telemetry):
    """A 401 however it is reported, a code whatever the status around it; nothing else."""
    server.always(behaviour)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the class differs by generation
        sdk.chat(sdk.client(api_key=key))

    assert telemetry.counter("together.client.auth.failures") == counted
    assert (
        telemetry.counter("together.client.requests", {"together.request.outcome": "auth_failure"})
        == counted
    )
    assert leaks(telemetry.everything(), key) == []


@pytest.mark.parametrize("raw", [False, True], ids=["parsed", "raw"])
@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ({"error": {"message": behaviours.INVALID_KEY, "code": "invalid_api_key"}}, "rejected"),
        ({"error": {"message": "No credentials", "code": 401}}, "wrong_endpoint"),
        ({"error": {"message": "No credentials", "type": "invalid_api_key"}}, "wrong_endpoint"),
        ({"error": "missing_api_key"}, "header_lost"),
        ({"message": "No credentials", "code": "invalid_api_key"}, "wrong_endpoint"),
        ({"error": {"message": "Overloaded", "code": 503}}, None),
        ({"choices": [], "error": None}, None),
    ],
)
def test_refusal_inside_a_good_answer(raw, body, cause, sdk, server, key, telemetry):
    """Gateways answer 200 and say in the body that the key is refused; it was not accepted."""
    if raw and GENERATION == 1:
        pytest.skip("1.x has no raw responses")
    server.always(behaviours.custom(200, body, foreign=True))
    client = sdk.client(api_key=key)
    with suppress(Exception):  # 1.x cannot make its own objects of some
        chat = client.chat.completions.with_raw_response if raw else client.chat.completions
        sdk.run(lambda: chat.create(model=MODEL, messages=MESSAGES))

    assert failures(telemetry) == ({cause: 1} if cause else {})
    accepted = telemetry.metrics().get("together.client.key.last_accepted.timestamp", [])
    assert (accepted == []) == (
        cause is not None or (body.get("error") is not None and GENERATION == 1)
    )
    (span,) = [span for span in telemetry.spans() if span["name"].startswith("chat")]
    assert span["attributes"]["http.response.status_code"] == 200


@pytest.mark.skipif(GENERATION == 1, reason="1.x gives nothing but its own objects")
@pytest.mark.parametrize("way", ["text", "response", "in pieces"])
@pytest.mark.parametrize("kind", ["Application/JSON", "text/plain; charset=utf-8"])
def test_refusal_inside_a_good_answer_that_no_model_is_made_of(
    kind, way, sdk, server, key, telemetry
):
    """The caller may ask for the text, or read the body by himself; gateways call JSON a text."""
    body = {"error": {"message": behaviours.INVALID_KEY, "code": "invalid_api_key"}}
    server.always(behaviours.custom(200, body, content_type=kind))
    client = sdk.client(api_key=key)

    async def read():
        create = client.chat.completions.with_streaming_response.create
        async with within(create(model=MODEL, messages=MESSAGES)) as response:
            [piece async for piece in each(response.iter_bytes(7))]

    if way == "in pieces":
        tell(sdk, read)
    else:
        wanted = str if way == "text" else httpx.Response
        sdk.run(lambda: client.post("/chat/completions", cast_to=wanted, body={"model": MODEL}))

    assert failures(telemetry) == {"rejected": 1}
    assert "together.client.key.last_accepted.timestamp" not in telemetry.metrics()


@pytest.mark.parametrize("error", ["Invalid line", {"message": "Invalid line"}])
def test_a_job_that_failed(error, sdk, server, key, telemetry):
    """The request that asks about it has not."""
    server.always(behaviours.custom(200, {"id": "a", "status": "FAILED", "error": error}))
    client = sdk.client(api_key=key)
    with suppress(Exception):  # what its class does not know
        sdk.run(lambda: client.fine_tuning.retrieve("ft-1"))
    (span,) = [one for one in telemetry.spans() if one["name"].startswith("fine_tunes")]
    assert span["attributes"]["together.request.outcome"] == "success"


def test_refusal_inside_a_good_answer_that_is_called_a_text(sdk, server, key, telemetry):
    """As gateways do, whatever the SDK makes of it."""
    body = {"error": {"message": behaviours.INVALID_KEY, "code": "invalid_api_key"}}
    server.always(behaviours.custom(200, body, content_type="text/plain"))
    client = sdk.client(api_key=key)
    with suppress(Exception):  # 1.x cannot make its own objects of it
        sdk.run(lambda: client.chat.completions.create(model=MODEL, messages=MESSAGES))
    assert failures(telemetry) == {"rejected": 1}
