"""An application that uses the SDK, what it gets from it, and what is emitted about that."""

import asyncio
import contextvars
import json
import logging
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import together
from generation import MESSAGES, MODEL, made_up_key
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

import together_otel
from together_otel import TogetherInstrumentor
from together_otel.testing import behaviours

OURS = str(Path(together_otel.__file__).parent)
MODES = ("sync", "async")
KEY = made_up_key()
MESSAGE = {"role": "assistant", "content": "Hi"}
ENVELOPE = {"id": "gen-1", "created": 1, "model": MODEL}
CHOICE = {"index": 0, "finish_reason": "stop"}
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
COMPLETION = {**ENVELOPE, "usage": USAGE, "choices": [CHOICE | {"message": MESSAGE}]}
CHUNK = {**ENVELOPE, "object": "chat.completion.chunk", "choices": [CHOICE | {"delta": MESSAGE}]}
ERROR = {"message": behaviours.INVALID_KEY, "type": "invalid_request_error", "param": None}
REFUSAL = {"error": ERROR | {"code": "invalid_api_key"}}

# ── what it gets, over no network ────────────────────────────────────────────────────


def accepted(_request):
    return httpx.Response(200, json=COMPLETION)


def refused(_request):
    return httpx.Response(401, json=REFUSAL)


def unsent(request):
    """Fail as a connection does whose header holds what no header may."""
    raise httpx.LocalProtocolError(f"Illegal header value {request.headers['authorization']!r}")


def streaming(*frames):
    text = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames) + "data: [DONE]\n\n"
    headers = {"content-type": "text/event-stream"}
    return lambda _request: httpx.Response(200, content=text, headers=headers)


# ── what it does ─────────────────────────────────────────────────────────────────────


class Application:
    """Makes clients of one kind, and calls with them."""

    def __init__(self, mode):
        self._is_async = mode == "async"

    def client(self, *answers, **options):
        """Make a client that gets each answer once, and the last one for ever."""
        left = list(answers)

        def handle(request):
            return (left.pop(0) if len(left) > 1 else left[0])(request)

        http = httpx.AsyncClient if self._is_async else httpx.Client
        kind = together.AsyncTogether if self._is_async else together.Together
        made = {"http_client": http(transport=httpx.MockTransport(handle)), "max_retries": 0}
        return kind(**{"api_key": KEY, **made, **options})

    async def chat(self, client, **options):
        options = {"model": MODEL, "messages": MESSAGES, **options}
        asked = client.chat.completions.create(**options)
        return await asked if self._is_async else asked

    async def read(self, client):
        """Read a stream to its end."""
        stream = await self.chat(client, stream=True)
        return [chunk async for chunk in stream] if self._is_async else list(stream)


async def plain(app):
    return await app.chat(app.client(accepted))


async def stream(app):
    return await app.read(app.client(streaming(CHUNK, CHUNK)))


async def body(app):
    """Read an answer's body by hand."""
    completions = app.client(accepted).chat.completions.with_streaming_response
    manager = completions.create(model=MODEL, messages=MESSAGES)
    if hasattr(manager, "__aenter__"):
        async with manager as response:
            return await response.read()
    with manager as response:
        return response.read()


async def refusal(app):
    return await app.chat(app.client(refused))


async def broken_stream(app):
    return await app.read(app.client(streaming(CHUNK, REFUSAL)))


async def unsendable(app):
    return await app.chat(app.client(unsent, api_key=KEY + "\n"))


async def missing(app):
    return app.client(accepted, api_key=None)


async def accepted_again(app):
    client = app.client(refused, accepted)
    try:
        await app.chat(client)
    except together.AuthenticationError:
        return await app.chat(client)
    raise AssertionError


FAILING = (refusal, broken_stream, unsendable, missing)
"""In each of these, one key fails once, and that is the end."""
SCENARIOS = (plain, stream, body, *FAILING, accepted_again)

# ── what it sees ─────────────────────────────────────────────────────────────────────


@dataclass
class Seen:
    """What an application sees of a scenario: a result, or an exception and those it refers to."""

    result: Any = None
    links: list[tuple[Any, ...]] = field(default_factory=list)
    ours: list[int] = field(default_factory=list)
    """Of each exception's traceback: how many frames are this package's."""

    def raised(self, exc, way="raised"):
        if exc is not None and len(self.links) < 20:
            frames = traceback.extract_tb(exc.__traceback__)
            theirs = [one for one in frames if not one.filename.startswith(OURS)]
            self.ours.append(len(frames) - len(theirs))
            facts = type(exc), str(exc), repr(exc.args), sorted(vars(exc)), exc.__suppress_context__
            places = [(one.filename, one.name, one.lineno) for one in theirs]
            self.links.append((way, *facts, places))
            self.raised(exc.__cause__, way + ".__cause__")
            self.raised(exc.__context__, way + ".__context__")
        return self

    def differences(self, without):
        """Return what is not as it would be without us."""
        pairs = [(self.result, without.result), *zip(self.links, without.links, strict=False)]
        pairs.append((len(self.links), len(without.links)))
        found = [pair for pair in pairs if pair[0] != pair[1]]
        return found + [f"{count} frames of ours" for count in self.ours if count > 2]


def _plain(value):
    if isinstance(value, list):
        return [_plain(one) for one in value]
    dump = getattr(value, "model_dump", None)
    return type(value), dump() if dump else value if isinstance(value, bytes) else None


def drive(steps, mode):
    """Run a coroutine, which waits for nothing unless it is async, in a context of its own."""

    def driven():
        if mode == "async":
            loop = asyncio.new_event_loop()
            try:
                return loop.run_until_complete(steps)
            finally:
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()
        try:
            steps.__await__().send(None)
        except StopIteration as end:
            return end.value
        raise AssertionError

    return contextvars.copy_context().run(driven)


def observe(scenario, mode="sync"):
    """Return what an application sees of a scenario."""

    async def seen():
        try:
            return Seen(_plain(await scenario(Application(mode))))
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is to be as without us
            return Seen().raised(exc)

    return drive(seen(), mode)


# ── what is emitted ──────────────────────────────────────────────────────────────────


def off():
    """Turn the instrumentation off, if it is on."""
    if TogetherInstrumentor().is_instrumented_by_opentelemetry:
        TogetherInstrumentor().uninstrument()


class Telemetry:
    """Providers to be instrumented with, an application's log, and what came out of all."""

    def __init__(self):
        self.spans = []
        self.records = []
        self.lines = []
        self.handler, self.reader = logging.Handler(), InMemoryMetricReader()
        vars(self.handler)["emit"] = lambda record: self.lines.append(record.getMessage())
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(spans := SpanProcessor())
        vars(spans)["on_end"] = self.spans.append  # and leaves the context alone
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.loggers = LoggerProvider(shutdown_on_exit=False)
        self.loggers.add_log_record_processor(Mock(on_emit=self._got))
        self.registry = None

    def _got(self, given):
        # Of whatever release of OpenTelemetry.
        self.records.append(getattr(given, "log_record", given).event_name)

    def instrument(self, **options):
        providers = {"tracer_provider": self.tracers, "meter_provider": self.meters}
        providers |= {"logger_provider": self.loggers, "registry": self.registry}
        try:
            TogetherInstrumentor().instrument(skip_dep_check=True, **providers, **options)
        except BaseException:
            # It is on by half: the next test is to be alone.
            TogetherInstrumentor()._is_instrumented_by_opentelemetry = True
            off()
            raise

    def failures(self):
        """Return how often each signal reports a failed key."""
        event, counter = "together.client.auth_failed", "together.client.auth.failures"
        data = self.reader.get_metrics_data()
        resources = data.resource_metrics if data else ()
        scopes = [scope for resource in resources for scope in resource.scope_metrics]
        counted = [one for scope in scopes for one in scope.metrics if one.name == counter]
        return {
            "count": sum(point.value for one in counted for point in one.data.data_points),
            "line": sum(text.startswith(event) for text in self.lines),
            "record": self.records.count(event),
            "span": sum("together.auth.cause" in (one.attributes or {}) for one in self.spans),
        }
