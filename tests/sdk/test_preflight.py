"""A constructor that refuses a key which cannot work, where that is asked for."""

import traceback

import pytest
import refusing
from generation import GENERATION, leaks, made_up_key
from opentelemetry.instrumentation.utils import suppress_instrumentation
from recovering import event, events
from refusing import on_with, refused
from reported import failures

from together_otel import TogetherInstrumentor, UnusableKeyError
from together_otel.guard import Guard

KEY = made_up_key("K")
FOREIGN = "sk-" + "ant-" + "q1W" * 12
GATEWAY = "http://127.0.0.1:1/v1"


# Fixtures, which pytest looks for in the module.
raising, sdk = refusing.raising, refusing.sdk


CANNOT_WORK = [
    (None, {}, "missing", "set TOGETHER_API_KEY to a key"),
    ("", {}, "empty", "The api_key argument is empty"),
    (None, {"TOGETHER_API_KEY": " "}, "empty", "TOGETHER_API_KEY holds only white space"),
    (None, {"TOGETHERAI_API_KEY": KEY}, "wrong_variable", "rename it to TOGETHER_API_KEY"),
    ("changeme", {"TOGETHER_API_KEY": KEY}, "not_passed", "drop the argument"),
    (FOREIGN, {}, "wrong_provider", "is a key of Anthropic"),
    (f"{KEY}\n", {}, "malformed", "ends in a newline"),
    (f"{KEY[:30]}é{KEY[31:]}", {}, "malformed", "not ASCII"),
    (KEY[:-1], {}, "malformed", "too short"),
    ("your-api-key", {}, "malformed", "is a placeholder"),
    (None, {"TOGETHER_API_KEY": "${KEY}"}, "malformed", "a reference that nothing expanded"),
    ("opaque.token\n0123456789", {}, "malformed", "newline"),
]


@pytest.mark.parametrize(("given", "environment", "cause", "says"), CANNOT_WORK)
def test_a_key_that_cannot_work(given, environment, cause, says, sdk, telemetry, monkeypatch):
    """The SDK's error says cause and remedy; it is told once, in all signals, without the key."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    options = {} if given is None else {"api_key": given}

    error = refused(sdk, **options)

    assert error.cause == error.diagnosis.cause == cause
    assert says in error.remedy
    assert str(error) == (
        f"{error.remedy} No request was made, as such an api_key cannot work ({cause}):"
        f" {error.runbook}"
    )
    assert error.runbook.endswith(f"#cause-{cause}")
    assert failures(telemetry) == {cause: 1}
    assert telemetry.counter("together.client.key.checks") == 1
    assert events(telemetry) == ["auth_failed"]
    said = event(telemetry, "auth_failed")
    (span,) = telemetry.spans()
    assert (span["name"], span["status"]) == ("together.client.init", "ERROR")
    kind = "together.error" if GENERATION == 1 else "together"
    for told in (said, span["attributes"]):
        assert told["together.auth.cause"] == cause
        assert told["error.type"] == f"{kind}.AuthenticationError"
    text = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    for secret in (KEY, FOREIGN, given or ""):
        assert leaks(telemetry.everything() + text, secret) == []


@pytest.mark.parametrize(
    "given",
    [
        *("{key}", "opaque.token/0123456789", '"opaque.token/0123456789"'),
        *("eyJ" + "hbGci.eyJ" + "zdWIi.c2ln", "0" * 40),
    ],
    ids=["good", "unknown", "unknown in quotes", "JWT", "command line"],
)
def test_a_key_that_may_work(given, sdk, telemetry):
    """A shape that nobody knows may be right; the SDK's own command line is not in the way."""
    sdk.client(api_key=given.replace("{key}", KEY))
    assert telemetry.counter("together.client.auth.failures") == 0
    assert events(telemetry) == []


@pytest.mark.parametrize("given", ["EMPTY", FOREIGN, KEY[:-1]], ids=["none", "other's", "damaged"])
def test_what_is_not_together_takes_what_it_likes(given, sdk, telemetry, monkeypatch):
    """A server of one's own, or a gateway; by the option or the variable."""
    sdk.client(api_key=given, base_url=GATEWAY)
    monkeypatch.setenv("TOGETHER_BASE_URL", GATEWAY)
    sdk.client(api_key=given, base_url=None)
    assert telemetry.counter("together.client.auth.failures") == 0


def test_a_gateway_to_together_takes_what_together_does(sdk, telemetry):
    """One that is named as such."""
    on_with(telemetry, hosts="127.0.0.1")
    assert refused(sdk, api_key=KEY[:-1], base_url=GATEWAY).cause == "malformed"
    for given in ("opaque.token/0123456789", FOREIGN):  # LiteLLM's proxy has keys like OpenAI's
        sdk.client(api_key=given, base_url=GATEWAY)


@pytest.mark.parametrize(
    ("given", "cause"),
    [(f"{FOREIGN}\n", "malformed"), ("EMPTY\u200b", "malformed"), (" ", "empty")],
)
def test_what_cannot_be_sent_cannot_be_sent_anywhere(given, cause, sdk, telemetry):
    """And that is what is wrong with it, whosever key it is."""
    assert refused(sdk, api_key=given, base_url=GATEWAY).cause == cause
    assert event(telemetry, "auth_failed")["together.auth.cause"] == cause


def test_headers_of_ones_own(sdk, telemetry, monkeypatch):
    """The key is a formality where something else authorizes the requests."""
    headers = {"Authorization": "Bearer opaque.token/0123456789"}
    name = "supplied_headers" if GENERATION == 1 else "default_headers"
    sdk.client(api_key="unused", **{name: headers})
    sdk.client(api_key="unused", **{name: {"Authorization": f"Bearer {KEY[:-1]}"}})
    if sdk.client(api_key=KEY) and GENERATION > 1 and hasattr(sdk.client_class, "whoami"):
        monkeypatch.setenv("TOGETHER_CUSTOM_HEADERS", "Authorization: Bearer opaque.token/0123")
        sdk.client(api_key="unused")
    assert telemetry.counter("together.client.auth.failures") == 0


@pytest.mark.skipif(GENERATION < 2, reason="1.x takes no HTTP client")
def test_http_clients_of_ones_own(sdk, telemetry):
    """They may authorize requests, and so may a client's subclass."""
    import httpx  # noqa: PLC0415 - the SDK's own dependency, from 2.x on

    made = httpx.AsyncClient if sdk.is_async else httpx.Client
    sdk.client(api_key="unused", http_client=made(auth=("user", "password")))
    sdk.client(api_key="unused", http_client=made(event_hooks={"request": [lambda _: None]}))

    class Own(sdk.client_class):  # type: ignore[misc,name-defined]  # decided at run time
        @property
        def auth_headers(self):
            return {"Authorization": "Bearer opaque.token/0123456789"}

    sdk._clients.append(Own(api_key="unused"))
    assert telemetry.counter("together.client.auth.failures") == 0
    http_client = made()
    refused(sdk, api_key="unused", http_client=http_client)
    assert not http_client.is_closed
    sdk.client(api_key=KEY, http_client=http_client)


@pytest.mark.skipif(GENERATION < 2, reason="1.x makes no copies")
def test_copies(sdk, telemetry):
    """They are constructed as well; one of a good client costs no more than before."""
    client = sdk.client(api_key=KEY)
    sdk._clients.append(client.with_options(timeout=5))
    with pytest.raises(UnusableKeyError):
        client.copy(api_key="changeme")
    assert telemetry.counter("together.client.auth.failures") == 1


def test_it_warns_by_default(sdk, telemetry, monkeypatch):
    """The client is made; what is wrong with its key, and what to do about it, is in the log."""
    monkeypatch.delenv("TOGETHER_OTEL_PREFLIGHT")
    on_with(telemetry)
    sdk.client(api_key="changeme")
    assert telemetry.counter("together.client.auth.failures") == 0
    (log,) = telemetry.logs()
    assert (log["event_name"], log["severity"]) == ("together.client.key_checked", "WARN")
    assert "is a placeholder: put a key from" in log["attributes"]["together.auth.remedy"]


def test_off(sdk, server, telemetry):
    """No look at the constructor; failures are diagnosed as ever, by requests and constructors."""
    on_with(telemetry, preflight="off")
    client = sdk.client(api_key=KEY[:-1], base_url=server.url)
    assert telemetry.logs() == telemetry.spans() == []
    assert telemetry.counter("together.client.key.checks") == 0

    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)
    assert event(telemetry, "auth_failed")["together.api_key.source"] == "argument"

    with pytest.raises(Exception, match="api_key client option must be set") as caught:
        sdk.client()
    assert not isinstance(caught.value, UnusableKeyError)
    assert telemetry.counter("together.client.auth.failures") == 2
    assert {log["event_name"] for log in telemetry.logs()} == {
        "together.client.auth_failed",
        "gen_ai.client.inference.exception",
    }
    assert telemetry.counter("together.client.key.checks") == 0


def test_an_argument_goes_before_the_variable(sdk, telemetry, caplog):
    on_with(telemetry, preflight="warn")
    sdk.client(api_key="changeme")
    on_with(telemetry, preflight="Raise")
    refused(sdk, api_key="changeme")
    on_with(telemetry, preflight="sometimes")
    assert (
        "Invalid value 'sometimes' for TOGETHER_OTEL_PREFLIGHT (expected warn, raise or off); using warn."
        in caplog.messages
    )
    sdk.client(api_key="changeme")


def test_where_telemetry_is_not_wanted(sdk, telemetry):
    """A constructor that is not looked at is not refused either."""
    with suppress_instrumentation():
        sdk.client(api_key="changeme")
    TogetherInstrumentor().uninstrument()
    sdk.client(api_key="changeme")
    TogetherInstrumentor().instrument()
    assert telemetry.spans() == []


@pytest.mark.parametrize("broken", ["fault_of", "refusal_of", "redact_exception"])
def test_an_error_of_ours_refuses_nothing(broken, sdk, telemetry, monkeypatch):
    """And a refusal that cannot be told is one all the same."""
    monkeypatch.setattr(Guard, "raising", False)
    monkeypatch.setattr(f"together_otel.calls.constructors.{broken}", lambda *_: 1 / 0)
    if broken == "redact_exception":
        refused(sdk, api_key="changeme")
    else:
        sdk.client(api_key="changeme")
    swallowed = {"together.telemetry.stage": "client_init"}
    assert telemetry.counter("together.client.telemetry.errors", swallowed) == 1


def test_a_good_key_is_looked_at_once(sdk, telemetry, monkeypatch):
    """Then a constructor does no more than it did before."""
    sdk.client(api_key=KEY)
    monkeypatch.setattr("together_otel.auth.registry.inspect_key", lambda *_, **__: 1 / 0)
    monkeypatch.setattr("together_otel.auth.preflight.text_of", lambda *_: 1 / 0)
    sdk.client(api_key=KEY)
    assert telemetry.counter("together.client.key.checks") == 2
