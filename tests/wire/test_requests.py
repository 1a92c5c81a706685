"""Requests to Together by an HTTP library: one GenAI span and one count each, whichever it is."""

import asyncio
import gzip
import json
import time
import warnings
from contextlib import suppress

import aiohttp
import httpx
import pytest
import requests
from calling import leaks
from dirty_equals import IsFloat, IsInt, IsPartialDict
from urllib3 import Retry
from wire_cases import FAULTS, OTHER

from together_otel import TogetherInstrumentor
from together_otel.testing import behaviours

MODEL = "a/model"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
STREAM = {**CHAT, "stream": True}
REQUESTS = "together.client.requests"
FAILURES = "together.client.auth.failures"


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def only_span(telemetry):
    """Return the one span that there is."""
    (span,) = telemetry.spans()
    return span


def test_accepted(library, base, key, telemetry):
    """The span says what was asked and, of the body that the library read, what was answered."""
    got = library.ask(f"{base}/chat/completions", CHAT, headers=bearer(key))
    assert got.status == 200
    assert only_span(telemetry) == IsPartialDict(
        name=f"chat {MODEL}",
        kind="CLIENT",
        status="UNSET",
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "together",
            "gen_ai.request.model": MODEL,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.response.id": json.loads(got.text)["id"],
            "gen_ai.response.model": MODEL,
            "gen_ai.usage.input_tokens": 1,
            "gen_ai.usage.output_tokens": 6,
            "http.response.status_code": 200,
            "server.address": "api.together.xyz",
            "server.port": IsInt,
            "together.client.library": library.name.rstrip("2"),
            "together.ratelimit.limit": 600.0,
            "together.ratelimit.remaining": 599.0,
            "together.ratelimit.reset": IsFloat,
            "together.request.id": "req-1",
            "together.request.outcome": "success",
        },
    )
    assert telemetry.value(REQUESTS, together_request_outcome="success") == 1
    assert telemetry.counter("together.client.auth.last_success.timestamp") > 0


def test_a_header_that_is_none(library, base, telemetry):
    """As of an environment variable that is not set: httpx and aiohttp refuse it."""
    library.ask(f"{base}/chat/completions", CHAT, headers={"Authorization": None})
    assert telemetry.value(FAILURES, together_auth_cause="empty") == 1
    assert telemetry.counter(FAILURES) == telemetry.counter(REQUESTS) == 1


@pytest.mark.parametrize("headers", [1, [None], b"x"])
def test_headers_that_are_none(headers, base, telemetry):
    """The library refuses them, which is no error of ours."""
    with pytest.raises((TypeError, ValueError)):
        httpx.post(f"{base}/chat/completions", headers=headers)
    assert telemetry.counter("together.client.telemetry.errors") == 0


def test_no_header_beside_a_hook(base, telemetry):
    """A hook cannot have changed a header that nobody gave."""
    with httpx.Client(event_hooks={"request": [lambda _: None]}) as client:
        client.post(f"{base}/chat/completions", json=CHAT)
    assert telemetry.value(FAILURES, together_auth_cause="missing") == 1


@pytest.mark.parametrize("how", ["lines", "whole"])
def test_streamed(library, base, key, telemetry, how):
    """A stream's usage and reason are those of its last events, read at once or by lines."""
    got = library.ask(f"{base}/chat/completions", STREAM, how=how, headers=bearer(key))
    assert "[DONE]" in got.text
    attributes = only_span(telemetry)["attributes"]
    assert attributes == IsPartialDict(
        {
            "gen_ai.request.stream": True,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.output_tokens": 6,
            "together.request.outcome": "success",
        }
    )
    read_as_it_came = how == "lines" or library.name == "aiohttp"
    assert ("gen_ai.response.time_to_first_chunk" in attributes) == read_as_it_came


def test_a_body_that_is_not_read(library, base, key, telemetry):
    """Nothing is read that the application does not read: its call ends when it is closed."""
    library.ask(f"{base}/chat/completions", CHAT, how="unread", headers=bearer(key))
    attributes = only_span(telemetry)["attributes"]
    assert attributes["together.request.outcome"] == "abandoned"
    assert "gen_ai.usage.input_tokens" not in attributes


def test_a_stream_that_is_left_early(library, base, key, telemetry, server):
    server.always(behaviours.slow(30, after=1))
    library.ask(f"{base}/chat/completions", STREAM, how="left", headers=bearer(key))
    assert only_span(telemetry)["attributes"]["together.request.outcome"] == "abandoned"
    assert telemetry.value(REQUESTS, together_request_outcome="abandoned") == 1


@pytest.mark.parametrize(
    ("path", "body", "operation"),
    [
        ("/embeddings", {"model": MODEL, "input": "Hello"}, "embeddings"),
        ("/completions", {"model": MODEL, "prompt": "Hello"}, "text_completion"),
        ("/rerank", {"model": MODEL, "query": "a", "documents": ["a", "b"]}, "rerank"),
        ("/images/generations", {"model": MODEL, "prompt": "a cat"}, "image_generation"),
        ("/audio/speech", {"model": MODEL, "input": "a", "voice": "b"}, "speech"),
    ],
)
def test_operations(library, base, key, telemetry, path, body, operation):
    """The path names the operation, the body the model."""
    assert library.ask(f"{base}{path}", body, headers=bearer(key)).status == 200
    assert only_span(telemetry)["name"] == f"{operation} {MODEL}"
    assert telemetry.value(REQUESTS, gen_ai_operation_name=operation) == 1


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_fault(library, base, key, telemetry, fault):
    """A key that fails is named, counted once and logged once; nothing shows it."""
    header = fault.header(key)
    headers = {} if header is None else {"Authorization": header}
    got = library.ask(f"{base}/chat/completions", CHAT, headers=headers)
    span = only_span(telemetry)
    assert span["attributes"]["together.auth.cause"] == fault.cause
    assert span["attributes"]["together.request.outcome"] == "auth_failure"
    assert telemetry.value(FAILURES, together_auth_cause=fault.cause) == 1
    assert telemetry.counter(FAILURES) == 1
    names = [log["event_name"] for log in telemetry.logs()]
    assert names.count("together.client.auth_failed") == 1
    assert leaks(telemetry.everything(), header or "") == []
    TogetherInstrumentor().uninstrument()
    alone = library.ask(f"{base}/chat/completions", CHAT, headers=headers)
    assert (got.status, got.raised, got.message) == (alone.status, alone.raised, alone.message)


@pytest.mark.parametrize(
    ("behaviour", "outcome", "cause"),
    [
        (behaviours.error_frame(0), "auth_failure", "rejected"),
        (behaviours.error_frame(code=None, message="Overloaded"), "server_error", None),
        (behaviours.payment_required(), "payment_required", None),
        (behaviours.rate_limited(), "rate_limited", None),
        (behaviours.forbidden_context(), "client_error", None),
        (behaviours.forbidden_key(), "auth_failure", "rejected"),
        (behaviours.lose_key(), "auth_failure", "header_lost"),
        (behaviours.server_error(503), "server_error", None),
        (behaviours.drop_connection(), "connection_error", None),
        (behaviours.cut_stream(), "connection_error", None),
    ],
)
@pytest.mark.parametrize("how", ["lines", "whole"])
def test_failures_of_a_stream(library, base, server, telemetry, how, behaviour, outcome, cause):
    """An error is what the server says, in whichever way: a status, or a frame in a stream."""
    server.accept(OTHER)
    server.always(behaviour)
    library.ask(f"{base}/chat/completions", STREAM, how=how, headers=bearer(OTHER))
    attributes = only_span(telemetry)["attributes"]
    assert attributes["together.request.outcome"] == outcome
    assert attributes.get("together.auth.cause") == cause
    assert telemetry.counter(FAILURES) == (cause is not None)


@pytest.mark.parametrize("how", ["lines", "whole"])
def test_a_refusal_that_is_called_a_good_text(library, base, key, server, telemetry, how):
    """The code in a body counts, whatever status and type are round it."""
    body = {"error": {"message": behaviours.INVALID_KEY, "code": "invalid_api_key"}}
    server.script(
        behaviours.custom(200, body, content_type="text/plain"), behaviours.custom(200, "{ok")
    )
    for outcome in ("auth_failure", "success"):
        library.ask(f"{base}/chat/completions", CHAT, how=how, headers=bearer(key))
        assert telemetry.value(REQUESTS, together_request_outcome=outcome) == 1
    assert telemetry.value(FAILURES, together_auth_cause="rejected") == 1


@pytest.mark.parametrize(
    "job",
    [
        {"id": "a", "status": "FAILED", "error": "Invalid line"},
        {"id": "a", "object": "video", "status": "failed", "error": {"code": "x", "message": "y"}},
    ],
)
def test_a_job_that_failed(library, base, key, server, telemetry, job):
    """The request that asks about it has not."""
    server.always(behaviours.custom(200, job))
    library.ask(f"{base}/batches/a", headers=bearer(key))
    assert only_span(telemetry)["attributes"]["together.request.outcome"] == "success"


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (behaviours.accept(), "success"),
        (behaviours.error_frame(1), "auth_failure"),
        (behaviours.error_frame(1, code=None, message="Overloaded"), "server_error"),
    ],
    ids=["accepted", "refused", "overloaded"],
)
@pytest.mark.parametrize("read", ["iter_raw", "iter_bytes"])
def test_a_stream_that_is_handed_on(base, key, server, telemetry, behaviour, outcome, read):
    """As it came, as what stands between others does: what it says is known all the same."""
    server.always(behaviour)
    url = f"{base}/chat/completions"
    with httpx.stream("POST", url, json=STREAM, headers=bearer(key)) as response:
        assert b"".join(getattr(response, read)()).count(b"data:") > 1
    attributes = only_span(telemetry)["attributes"]
    assert attributes["together.request.outcome"] == outcome
    assert ("gen_ai.usage.output_tokens" in attributes) == (outcome == "success")


@pytest.mark.parametrize(
    ("header", "cause"),
    [(f"Bearer {OTHER}", "header_lost"), (f"Token {OTHER}", "malformed"), (None, "missing")],
    ids=["lost", "no scheme", "none"],
)
@pytest.mark.parametrize("begins", [b"data: ", b""], ids=["event", "document"])
@pytest.mark.parametrize("how", ["lines", "whole"])
def test_a_refusal_with_status_200(library, base, server, telemetry, how, begins, header, cause):
    """A body that is read piece by piece is part of an answer, and of a request, like any other."""
    error = {"error": {"message": behaviours.MISSING_KEY, "code": "missing_api_key"}}
    kind = "text/event-stream" if begins else "application/json"
    body = begins + json.dumps(error).encode() + b"\n\n"
    server.always(behaviours.custom(200, body, content_type=kind))
    headers = {} if header is None else {"Authorization": header}
    library.ask(f"{base}/chat/completions", STREAM, how=how, headers=headers)
    (event,) = [one for one in telemetry.logs() if one["event_name"].endswith("auth_failed")]
    assert event["attributes"]["together.auth.cause"] == cause
    assert event["attributes"]["http.response.status_code"] == 200
    assert event["attributes"]["together.request.id"] == "req-1"


def test_a_refusal_that_nobody_reads(library, base, telemetry):
    """The status says enough."""
    got = library.ask(f"{base}/chat/completions", STREAM, how="unread", headers=bearer("a" * 24))
    assert got.status == 401
    assert telemetry.counter(FAILURES) == 1
    assert only_span(telemetry)["attributes"]["http.response.status_code"] == 401


async def test_an_error_of_aiohttp_is_read_without_a_warning(base, telemetry):
    """Of its deprecated attribute, which the application does not read."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            with pytest.raises(aiohttp.ClientResponseError):
                await session.post(f"{base}/chat/completions", json=CHAT)
    assert [one.message for one in caught if one.category is DeprecationWarning] == []
    assert telemetry.value(FAILURES, together_auth_cause="missing") == 1


def test_a_refusal_that_is_dropped(base, telemetry, monkeypatch):
    """It took as long as the application had it, not until it is noticed to be gone."""
    requests.post(f"{base}/chat/completions", json=STREAM, stream=True, timeout=10)
    dropped = time.perf_counter()
    with monkeypatch.context() as later:
        later.setattr("together_otel.plain.clocks.perf_counter", lambda: dropped + 1000)
        telemetry.finished_spans()
    points = [one for name, one in telemetry.metrics().items() if name.endswith(".duration")]
    assert [point["sum"] < 500 for (point,) in points] == [True]


def test_revoked(library, base, key, server, telemetry):
    """A key that worked by whichever library is not rejected but revoked."""
    library.ask(f"{base}/chat/completions", CHAT, headers=bearer(key))
    server.revoke(key)
    library.ask(f"{base}/chat/completions", CHAT, headers=bearer(key))
    assert telemetry.value(FAILURES, together_auth_cause="revoked") == 1


def test_a_compressed_stream(library, base, key, server, telemetry):
    """What the application reads is decoded, and so is what is looked at."""
    event = {"id": "a", "model": MODEL, "choices": [], "usage": {"prompt_tokens": 3}}
    frames = b"data: " + json.dumps(event).encode() + b"\n\ndata: [DONE]\n\n"
    kind = {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}
    server.always(behaviours.custom(200, gzip.compress(frames), kind))
    got = library.ask(f"{base}/chat/completions", STREAM, how="lines", headers=bearer(key))
    assert "[DONE]" in got.text
    assert only_span(telemetry)["attributes"] == IsPartialDict(
        {"gen_ai.usage.input_tokens": 3, "together.request.outcome": "success"}
    )


@pytest.mark.parametrize("how", ["whole", "lines"])
@pytest.mark.parametrize("end", ["completed", "failed"])
def test_a_stream_of_the_responses_api(library, base, key, server, telemetry, how, end):
    """Its last event has the tokens, or why it failed."""
    body = {"object": "response", "id": "resp-1", "model": MODEL, "status": end}
    last = {"completed": {"usage": {"input_tokens": 3}}, "failed": {"error": {"code": "busy"}}}
    events = [
        {"type": "response.created", "response": {**body, "status": "in_progress", "error": None}},
        {"type": "response.output_text.delta", "delta": "Hi"},
        {"type": f"response.{end}", "response": body | last[end]},
    ]
    frames = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events)
    server.always(behaviours.custom(200, frames, content_type="text/event-stream"))
    asked = {"model": MODEL, "input": "Hi", "stream": True}
    library.ask(f"{base}/responses", asked, how=how, headers=bearer(key))
    attributes = only_span(telemetry)["attributes"]
    assert attributes["gen_ai.operation.name"] == "chat"
    assert attributes["gen_ai.response.id"] == "resp-1"
    outcome = {"completed": "success", "failed": "server_error"}[end]
    assert attributes["together.request.outcome"] == outcome
    assert attributes.get("gen_ai.usage.input_tokens") == (3 if end == "completed" else None)


def test_a_key_that_a_client_has_as_well(library, base, telemetry, monkeypatch):
    """What is said of a header goes by the request, not by where the key was seen first."""
    monkeypatch.setenv("TOGETHER_API_KEY", OTHER)
    for _ in range(2):
        library.ask(f"{base}/chat/completions", CHAT, headers=bearer(OTHER))
        monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    sources = [span["attributes"]["together.api_key.source"] for span in telemetry.spans()]
    assert sources == ["environment", "header"]


@pytest.mark.parametrize(("sends", "cause"), [(True, "redirected"), (False, "missing")])
@pytest.mark.parametrize("stream", [False, True])
def test_redirected_to_together(base, elsewhere, key, server, telemetry, sends, cause, stream):
    """By a session of requests, which drops the key of another host on the way here."""
    server.script(behaviours.redirect(f"{base}/chat/completions"))
    headers = bearer(key) if sends else {}
    url = f"{elsewhere}/chat/completions"
    got = requests.post(url, json=CHAT, headers=headers, stream=stream, timeout=10)
    assert got.status_code == 401
    got.close()
    assert telemetry.value(FAILURES, together_auth_cause=cause) == 1
    assert leaks(telemetry.everything(), key) == []


def test_redirected(library, base, elsewhere, key, server, telemetry):
    """The key is dropped on the way to another host."""
    server.script(behaviours.redirect(f"{elsewhere}/chat/completions"))
    options = {"headers": bearer(key)}
    if library.name.startswith("httpx"):
        options["client"] = {"follow_redirects": True}
    got = library.ask(f"{base}/chat/completions", CHAT, **options)
    assert got.status == 401
    assert telemetry.value(FAILURES, together_auth_cause="redirected") == 1


@pytest.mark.parametrize("how", ["whole", "lines"])
def test_a_page_accepts_no_key(library, base, server, telemetry, how):
    """A proxy asks people to sign in, with status 200."""
    server.always(behaviours.custom(200, "<html>Sign in", content_type="text/html; charset=utf-8"))
    library.ask(f"{base}/chat/completions", CHAT, how=how, headers=bearer(OTHER))
    assert only_span(telemetry)["attributes"]["together.request.outcome"] == "success"
    assert telemetry.counter("together.client.auth.last_success.timestamp") == 0


def test_a_redirect_that_is_not_followed_accepts_no_key(base, server, telemetry):
    """Whoever redirects from http to https looks at none."""
    server.always(behaviours.redirect(f"{base}/chat/completions", 301))
    got = httpx.post(f"{base}/chat/completions", json=CHAT, headers=bearer(OTHER))
    assert got.status_code == 301
    assert telemetry.counter("together.client.auth.last_success.timestamp") == 0


def put_by_httpx(url, value):
    class Auth(httpx.Auth):
        def auth_flow(self, request):
            request.headers["Authorization"] = value
            yield request

    httpx.post(url, json=CHAT, auth=Auth())


def put_by_requests(url, value):
    def auth(request):
        request.headers["Authorization"] = value
        return request

    requests.post(url, json=CHAT, auth=auth, timeout=10)


def put_by_aiohttp(url, value):
    async def middleware(request, handler):
        request.headers["Authorization"] = value
        return await handler(request)

    async def ask():
        async with (
            aiohttp.ClientSession(middlewares=(middleware,)) as session,
            session.post(url, json=CHAT),
        ):
            pass

    asyncio.run(ask())


@pytest.mark.parametrize("put", [put_by_httpx, put_by_requests, put_by_aiohttp])
@pytest.mark.parametrize("fault", [one for one in FAULTS if one.value is not None], ids=str)
def test_a_key_that_the_librarys_own_auth_puts_in(put, base, key, telemetry, fault):
    """It is the request's key as any other: what is wrong with it is named the same."""
    with suppress(Exception):
        put(f"{base}/chat/completions", fault.header(key))
    assert telemetry.value(FAILURES, together_auth_cause=fault.cause) == 1
    assert telemetry.counter(FAILURES) == 1
    assert leaks(telemetry.everything(), fault.header(key)) == []
    (event,) = [one for one in telemetry.logs() if one["event_name"].endswith("auth_failed")]
    assert "[key]" not in event["attributes"]["together.auth.remedy"]


@pytest.mark.parametrize(
    ("behaviour", "outcome", "status"),
    [
        (behaviours.usual(), "auth_failure", 401),
        (behaviours.rate_limited(), "rate_limited", 429),
        (behaviours.server_error(503), "server_error", 503),
    ],
)
def test_tries_of_urllib3(base, server, telemetry, behaviour, outcome, status):
    """Where it gives up, requests raises an error without an answer: the last try had one."""
    server.always(behaviour)
    again = {"status_forcelist": [status], "allowed_methods": None, "backoff_factor": 0}
    retry = Retry(2, respect_retry_after_header=False, **again)
    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
        with pytest.raises(requests.exceptions.RetryError):
            session.post(f"{base}/chat/completions", json=CHAT, headers=bearer(OTHER))
    attributes = only_span(telemetry)["attributes"]
    assert attributes["together.request.outcome"] == outcome
    assert attributes["http.response.status_code"] == status
    assert attributes["http.request.resend_count"] == 2
    assert telemetry.counter("together.client.retries") == 2
    assert telemetry.counter(FAILURES) == (status == 401)
