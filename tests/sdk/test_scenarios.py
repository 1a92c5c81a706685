"""The scenario table: every operation with every exit, sync and async, as whole spans.

A span has three parts. What was asked, and what a good answer's body told, are in
``scenarios``, an operation a row; how the call ended is here, as that is the same for all.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from dirty_equals import IsInt, IsStr
from generation import GENERATION
from measured import FIRST_CHUNK, durations
from scenarios import OPERATIONS

from together_otel.names import CALL_LABELS
from together_otel.testing import behaviours

ASKED = ("gen_ai.operation.", "gen_ai.request.", "gen_ai.output.")
"""How the names of those attributes begin that say what was asked."""

TOLD = ("gen_ai.response.", "gen_ai.usage.")
"""How the names of those attributes begin that repeat what the answer's body said."""

OUTCOME = "together.request.outcome"
CALL = {
    "gen_ai.provider.name": "together",
    "together.client.library": "together",
    "server.address": "127.0.0.1",
    "server.port": IsInt(),
}
"""What ends every call."""
ANSWER = CALL | {
    "together.request.id": "req-1",
    "together.ratelimit.limit": 600.0,
    "together.ratelimit.remaining": 599.0,
    "together.ratelimit.reset": 0.1,
}
ANSWERED = ANSWER | {OUTCOME: "success", "http.response.status_code": 200}
"""How a call ends that is answered well."""


@dataclass(frozen=True)
class Exit:
    """One way for a call to fail.

    ``errors`` are the exception's type and message, by the generation that raises it.
    """

    title: str
    behaviour: behaviours.Behaviour
    ended: Any
    errors: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self):
        return self.title

    def error(self, *, is_async):
        """Return type and message of the exception that this client raises."""
        if GENERATION > 1:
            return self.errors["2.x, 3.x"]
        return self.errors.get(f"1.x {'async' if is_async else 'sync'}") or self.errors["1.x"]


EXITS = [
    Exit(
        "400",
        behaviours.error(400, "The prompt is not a text"),
        errors={
            "2.x, 3.x": (
                "together.BadRequestError",
                "Error code: 400 - {'error': {'message': 'The prompt is not a text', 'type': 'invalid_request_error', 'param': None, 'code': None}}",
            ),
            "1.x": (
                "together.error.InvalidRequestError",
                'Error code: 400 - {"message": "The prompt is not a text", "type_": "invalid_request_error"}',
            ),
        },
        ended=ANSWER | {OUTCOME: "client_error", "http.response.status_code": 400},
    ),
    Exit(
        "401",
        behaviours.refuse(),
        errors={
            "2.x, 3.x": (
                "together.AuthenticationError",
                "Error code: 401 - {'error': {'message': 'Invalid API key provided. You can find your API key at https://api.together.xyz/settings/api-keys.', 'type': 'invalid_request_error', 'param': None, 'code': 'invalid_api_key'}}",
            ),
            "1.x": (
                "together.error.AuthenticationError",
                'Error code: 401 - {"message": "Invalid API key provided. You can find your API key at https://api.together.xyz/settings/api-keys.", "type_": "invalid_request_error", "code": "invalid_api_key"}',
            ),
        },
        ended=ANSWER
        | {
            OUTCOME: "auth_failure",
            "http.response.status_code": 401,
            "together.auth.cause": "rejected",
            "together.api_key.presence": "present",
            "together.api_key.source": "argument",
            "together.api_key.format": "tgp_v1",
            "together.api_key.length": 50,
            "together.api_key.fingerprint": "5e2e46e0",
        },
    ),
    Exit(
        "429",
        behaviours.rate_limited(),
        errors={
            "2.x, 3.x": (
                "together.RateLimitError",
                "Error code: 429 - {'error': {'message': 'Rate limit exceeded', 'type': 'rate_limit', 'param': None, 'code': None}}",
            ),
            "1.x": (
                "together.error.RateLimitError",
                'Error code: 429 - {"message": "Rate limit exceeded", "type_": "rate_limit"}',
            ),
        },
        ended=ANSWER
        | {
            OUTCOME: "rate_limited",
            "http.response.status_code": 429,
            "together.ratelimit.remaining": 0.0,
            "together.ratelimit.reset": 0.01,
        },
    ),
    Exit(
        "500",
        behaviours.server_error(),
        errors={
            "2.x, 3.x": (
                "together.InternalServerError",
                "Error code: 500 - {'error': {'message': 'Internal server error', 'type': 'server_error', 'param': None, 'code': None}}",
            ),
            "1.x": (
                "together.error.APIError",
                'Error code: 500 - {"message": "Internal server error", "type_": "server_error"}',
            ),
        },
        ended=ANSWER | {OUTCOME: "server_error", "http.response.status_code": 500},
    ),
    Exit(
        "connection dropped",
        behaviours.drop_connection(),
        errors={
            "2.x, 3.x": ("together.APIConnectionError", "Connection error."),
            "1.x sync": (
                "together.error.APIConnectionError",
                "Error communicating with API: ('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
            ),
            "1.x async": ("together.error.APIConnectionError", "Error communicating with Together"),
        },
        ended=CALL | {OUTCOME: "connection_error"},
    ),
    Exit(
        "timeout",
        behaviours.slow(60),
        options={"timeout": 0.05},
        errors={
            "2.x, 3.x": ("together.APITimeoutError", "Request timed out."),
            "1.x sync": (
                "together.error.Timeout",
                IsStr(regex=r"Request timed out: HTTPConnectionPool\(.*\): Read timed out\..*"),
            ),
            "1.x async": ("together.error.Timeout", "Request timed out"),
        },
        ended=CALL | {OUTCOME: "timeout"},
    ),
]


def of(span, beginnings):
    """Return those attributes of a span whose names begin so."""
    attributes = span["attributes"]
    return {name: value for name, value in attributes.items() if name.startswith(beginnings)}


def asked(span, operation):
    """Return the part of a span that says what was asked, without 1.x's own defaults."""
    found = {"name": span["name"], **of(span, ASKED)}
    if GENERATION == 1:
        for name, value in operation.more_in_1.items():
            assert found.pop(name) == value
    return found


def ended(span):
    """Return the attributes that say how the call ended, but for the error's type."""
    others = {*of(span, ASKED), *of(span, TOLD), "error.type"}
    return {name: value for name, value in span["attributes"].items() if name not in others}


def error_of(span):
    """Return an error's type and message, which every place that tells of it agrees on."""
    kind, message = span["attributes"]["error.type"], span["description"]
    stack = IsStr(regex=r"Traceback \(most recent call last\):\n.*", regex_flags=re.DOTALL)
    told = {"exception.type": kind, "exception.message": message, "exception.stacktrace": stack}
    assert span["events"] == [{"name": "exception", "attributes": told}]
    return kind, message


def only_span(telemetry):
    """Return the only CLIENT span, after making sure that the metrics say the same."""
    span: dict[str, Any]
    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    says, metrics = span["attributes"], telemetry.metrics()

    counted = [point for point in metrics["together.client.requests"] if point["value"]]
    outcome = {name: says[name] for name in ("gen_ai.operation.name", "together.request.outcome")}
    assert counted == [{"attributes": outcome, "value": 1}]

    labels = {name: says[name] for name in CALL_LABELS if name in says}
    error = {name: says[name] for name in ("error.type",) if name in says}
    (duration,) = durations(telemetry)
    assert (duration["attributes"], duration["count"]) == (labels | error, 1)
    assert duration["sum"] > 0

    operation = says["gen_ai.operation.name"]
    family = "embeddings" if operation == "embeddings" else "inference"
    for kind in ("input", "output") if operation != "rerank" else ():
        points = metrics.get(f"gen_ai.client.{family}.operation.{kind}_tokens", ())
        used = says.get(f"gen_ai.usage.{kind}_tokens")
        found = [(point["attributes"], point["sum"]) for point in points]
        assert found == ([] if used is None else [(labels, used)])

    first = [
        (point["attributes"], point["count"], point["sum"])
        for point in metrics.get(FIRST_CHUNK, ())
    ]
    took = says.get("gen_ai.response.time_to_first_chunk")
    assert first == ([] if took is None else [(labels, 1, took)])
    return span


def ask(sdk, client, operation):
    """Make the call, and read the stream."""
    answer = sdk.run(lambda: operation.ask(client))
    if operation.streamed:
        # 1.x has the stream of a sound in an object of its own.
        sdk.read(getattr(answer, "response", answer) if GENERATION == 1 else answer)


@pytest.fixture(autouse=True)
def project(monkeypatch):
    """Name the project whose models 3.x lists; it would ask for it first."""
    monkeypatch.setenv("TOGETHER_PROJECT_ID", "prj-0123abcd")


@pytest.fixture
def operation(request, sdk):
    """An operation that this kind of client has."""
    found = request.param
    if GENERATION == 1 and sdk.is_async and not found.async_in_1:
        pytest.skip("async 1.x has no such call")
    return found


@pytest.mark.parametrize("operation", OPERATIONS, ids=str, indirect=True)
def test_success(operation, sdk, key, server, telemetry):
    """What is told of an answered call."""
    if operation.body is not None:
        server.always(behaviours.custom(200, operation.body))
    ask(sdk, sdk.client(api_key=key), operation)

    span = only_span(telemetry)
    assert (span["kind"], span["status"], span["description"]) == ("CLIENT", "UNSET", None)
    assert span["events"] == []
    assert asked(span, operation) == operation.asked
    assert of(span, TOLD) == operation.told
    assert ended(span) == ANSWERED


@pytest.mark.parametrize("exit_", EXITS, ids=str)
@pytest.mark.parametrize("operation", OPERATIONS, ids=str, indirect=True)
def test_failure(operation, exit_, sdk, key, server, telemetry):
    """What is told of a call that fails: of the request as ever, of the failure as of any call."""
    server.always(exit_.behaviour)
    client = sdk.client(api_key=key, **exit_.options)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the class differs by generation
        ask(sdk, client, operation)

    span = only_span(telemetry)
    assert (span["kind"], span["status"]) == ("CLIENT", "ERROR")
    assert error_of(span) == exit_.error(is_async=sdk.is_async)
    assert span["attributes"]["error.type"].endswith(f".{type(caught.value).__name__}")
    assert asked(span, operation) == operation.asked
    assert of(span, TOLD) == {}
    assert ended(span) == exit_.ended
