"""The error report's causes and what tells them apart, on the generation that is installed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from generation import GENERATION, MESSAGES, MODEL, Sdk, leaks, made_up_key

from together_otel.names import CAUSES
from together_otel.testing import behaviours
from together_otel.testing.server import TogetherServer

if TYPE_CHECKING:
    from together_otel.testing.telemetry import CapturedTelemetry

OTHER = made_up_key("Z")
REFUSAL = {
    "error": {
        "message": "Incorrect API key provided.",
        "type": "invalid_request_error",
        "code": "invalid_api_key",
    }
}
"""What other providers say, in the format that is Together's, too."""
FOREIGN = "sk-" + "ant-" + "q1W" * 12


@dataclass(frozen=True)
class Case:
    """One way to get the key wrong.

    ``argument`` and ``environment`` may hold ``{key}``, the good key. ``names`` is what the
    remedy must say. ``refuse`` is how the server answers, if not by looking at the key.
    """

    title: str
    cause: str
    names: str
    argument: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    generations: tuple[int, ...] = (1, 2, 3)
    refuse: behaviours.Behaviour | None = None

    def __str__(self) -> str:
        return self.title


CASES = [
    # Cause 1 of the report: unset or empty.
    Case("unset", "missing", "set TOGETHER_API_KEY"),
    Case("empty argument", "empty", "The api_key argument is empty", ""),
    Case("empty variable", "empty", "TOGETHER_API_KEY is empty", None, {"TOGETHER_API_KEY": ""}),
    Case(
        "white space in the variable",
        "empty",
        "TOGETHER_API_KEY holds only white space",
        None,
        {"TOGETHER_API_KEY": "  "},
    ),
    # Cause 2: incorrect, typo, extra spaces.
    Case("typo", "rejected", "The api_key argument is well formed", OTHER),
    Case("a character lost", "malformed", "too short", None, {"TOGETHER_API_KEY": OTHER[:-1]}),
    Case("trailing newline", "malformed", "ends in", None, {"TOGETHER_API_KEY": "{key}\n"}),
    Case("trailing space", "malformed", "has spaces around it", "{key} "),
    Case("leading space", "malformed", "has spaces around it", " {key}"),
    Case("space inside", "malformed", "white space inside", OTHER[:20] + " " + OTHER[20:]),
    Case("quotes", "malformed", "quotes", None, {"TOGETHER_API_KEY": '"{key}"'}),
    Case("Bearer prefix", "malformed", "the word Bearer", "Bearer {key}"),
    Case("no-break space", "malformed", "spaces around", "{key}\u00a0"),
    Case("zero-width space", "malformed", "invisible character", "{key}\u200b"),
    Case("accented letter", "malformed", "not ASCII", OTHER[:30] + "é" + OTHER[31:]),
    Case("pasted twice", "malformed", "the key twice", OTHER * 2),
    Case(
        "reference never expanded",
        "malformed",
        "reference that nothing expanded",
        None,
        {"TOGETHER_API_KEY": "${TOGETHER_KEY}"},
    ),
    Case("placeholder", "malformed", "is a placeholder", "changeme"),
    Case("another provider's", "wrong_provider", "a key of Anthropic", FOREIGN),
    Case("a shape nobody knows", "unknown", "none of the shapes", "opaque.token/0123456789"),
    # Cause 4: in the wrong variable, or not passed to the client.
    Case(
        "wrong variable",
        "wrong_variable",
        "TOGETHERAI_API_KEY holds a key of Together's shape",
        None,
        {"TOGETHERAI_API_KEY": "{key}"},
    ),
    Case(
        "misspelt variable",
        "wrong_variable",
        "rename it to TOGETHER_API_KEY",
        None,
        {"TOGETER_API_KEY": "{key}"},
    ),
    Case(
        "empty argument before a good variable",
        "not_passed",
        "The api_key argument is empty and hides the good key in TOGETHER_API_KEY",
        "",
        {"TOGETHER_API_KEY": "{key}"},
        generations=(2, 3),  # 1.x falls back to the variable, and works
    ),
    Case(
        "placeholder before a good variable",
        "not_passed",
        "is a placeholder and hides the good key",
        "change-me",
        {"TOGETHER_API_KEY": "{key}"},
    ),
    Case(
        "header instead of the key",
        "overridden",
        "default_headers",
        "{key}",
        options={"default_headers": {"Authorization": f"Bearer {OTHER}"}},
        generations=(2, 3),
    ),
    Case(
        "header instead of the key in 1.x",
        "overridden",
        "supplied_headers",
        "{key}",
        options={"supplied_headers": {"Authorization": f"Bearer {OTHER}"}},
        generations=(1,),
    ),
    Case(
        "a proxy that removes the header",
        "header_lost",
        "was sent, but 127.0.0.1 found no key",
        "{key}",
        refuse=behaviours.lose_key(),
    ),
    Case(
        "a proxy that refuses",
        "wrong_endpoint",
        "came from 127.0.0.1, which is not Together",
        "{key}",
        refuse=behaviours.refuse("html"),
    ),
    Case(
        "another provider's server",
        "wrong_endpoint",
        "came from 127.0.0.1, which is not Together",
        "{key}",
        refuse=behaviours.custom(401, REFUSAL, foreign=True),
    ),
    Case(
        "a gateway that passes on what Together says",
        "rejected",
        "is well formed",
        "{key}",
        refuse=behaviours.custom(401, {"error": behaviours.INVALID_KEY}, foreign=True),
    ),
    Case(
        "a gateway that passes on Together's headers",
        "rejected",
        "is well formed",
        "{key}",
        refuse=behaviours.custom(401, REFUSAL, {"X-Together-TraceId": "0"}, foreign=True),
    ),
]


def fail(sdk: Sdk, case: Case, key: str, monkeypatch: pytest.MonkeyPatch) -> BaseException:
    """Do what the case says and return the exception that the application gets."""
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value.replace("{key}", key))
    argument = None if case.argument is None else case.argument.replace("{key}", key)
    options = {} if argument is None else {"api_key": argument}
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - which one differs by generation
        sdk.chat(sdk.client(**options, **case.options))
    return caught.value


@pytest.mark.parametrize(
    "case", [case for case in CASES if GENERATION in case.generations], ids=str
)
def test_cause_is_named_counted_once_and_remedied(
    case: Case,
    sdk: Sdk,
    server: TogetherServer,
    key: str,
    telemetry: CapturedTelemetry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every way to get the key wrong gives one count, one event, one span with its cause."""
    if case.refuse is not None:
        server.always(case.refuse)

    fail(sdk, case, key, monkeypatch)

    counted = {
        cause: telemetry.counter("together.client.auth.failures", {"together.auth.cause": cause})
        for cause in CAUSES
    }
    assert counted == {**dict.fromkeys(CAUSES, 0), case.cause: 1}
    (event,) = [one for one in telemetry.logs() if one["event_name"].endswith("auth_failed")]
    assert event["attributes"]["together.auth.cause"] == case.cause
    assert case.names in event["attributes"]["together.auth.remedy"]
    assert event["attributes"]["together.auth.remedy"].count(". ") == 0
    assert event["attributes"]["together.auth.runbook"].endswith(f"#cause-{case.cause}")
    (failed,) = [span for span in telemetry.spans() if span["status"] == "ERROR"]
    assert failed["attributes"]["together.auth.cause"] == case.cause
    assert failed["attributes"]["error.type"] == event["attributes"]["error.type"]
    everything = telemetry.everything()
    for secret in (key, OTHER, FOREIGN, case.argument or ""):
        assert leaks(everything, secret) == []


def test_revoked_key(sdk: Sdk, server: TogetherServer, key: str, telemetry: Any) -> None:
    """Cause 3: a key accepted earlier and refused now is revoked, and says since when."""
    client = sdk.client(api_key=key)
    sdk.chat(client)
    server.revoke(key)

    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)

    (event,) = [one for one in telemetry.logs() if one["event_name"].endswith("auth_failed")]
    assert event["attributes"]["together.auth.cause"] == "revoked"
    assert "was accepted until 20" in event["attributes"]["together.auth.remedy"]
    assert (
        telemetry.counter("together.client.auth.failures", {"together.auth.cause": "revoked"}) == 1
    )


def test_a_key_with_a_space_is_not_the_one_that_was_accepted(
    sdk: Sdk, key: str, telemetry: Any
) -> None:
    """What another client's good key is accepted for says nothing of a damaged copy of it."""
    sdk.chat(sdk.client(api_key=key))

    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(sdk.client(api_key=f" {key}"))

    (event,) = [one for one in telemetry.logs() if one["event_name"].endswith("auth_failed")]
    assert event["attributes"]["together.auth.cause"] == "malformed"


def test_redirect_to_another_host_loses_the_key(
    sdk: Sdk, server: TogetherServer, key: str, telemetry: Any
) -> None:
    """A redirect makes the HTTP client drop the key; the second host's refusal says so."""
    with TogetherServer(keys=[key]) as elsewhere:
        server.always(behaviours.redirect(elsewhere.url.replace("127.0.0.1", "localhost")))
        with pytest.raises(Exception):  # noqa: B017, PT011 - the class differs by generation
            sdk.chat(sdk.client(api_key=key))

    (event,) = [one for one in telemetry.logs() if one["event_name"].endswith("auth_failed")]
    assert event["attributes"]["together.auth.cause"] == "redirected"
    assert "to localhost" in event["attributes"]["together.auth.remedy"]


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
def test_what_counts_as_an_authentication_failure(
    behaviour: Any, counted: int, sdk: Sdk, server: TogetherServer, key: str, telemetry: Any
) -> None:
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
        ({"error": {"message": "Overloaded", "code": 503}}, None),
        ({"choices": [], "error": None}, None),
    ],
)
def test_refusal_inside_a_good_answer(
    raw: bool,  # noqa: FBT001 - a parameter
    body: Any,
    cause: str | None,
    sdk: Sdk,
    server: TogetherServer,
    key: str,
    telemetry: CapturedTelemetry,
) -> None:
    """Gateways answer 200 and say in the body that the key is refused; it was not accepted."""
    if raw and GENERATION == 1:
        pytest.skip("1.x has no raw responses")
    server.always(behaviours.custom(200, body, foreign=True))
    client = sdk.client(api_key=key)
    with suppress(Exception):  # 1.x cannot make its own objects of some
        chat = client.chat.completions.with_raw_response if raw else client.chat.completions
        sdk.run(lambda: chat.create(model=MODEL, messages=MESSAGES))

    counted = {
        cause: telemetry.counter("together.client.auth.failures", {"together.auth.cause": cause})
        for cause in CAUSES
    }
    assert counted == dict.fromkeys(CAUSES, 0) | ({cause: 1} if cause else {})
    accepted = telemetry.metrics().get("together.client.key.last_accepted.timestamp", [])
    assert (accepted == []) == (
        cause is not None or (body["error"] is not None and GENERATION == 1)
    )
    (span,) = [span for span in telemetry.spans() if span["name"].startswith("chat")]
    assert span["attributes"]["http.response.status_code"] == 200
