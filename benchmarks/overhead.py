# python benchmarks/overhead.py
"""What the instrumentation costs: CPU added to a call, over the bare SDK and over a floor.

The floor is what a careful person would write by hand: a span with the same attributes and
three histogram records of OpenTelemetry's SDK. Everything runs in one process against an
in-memory transport, in small batches that take turns, so that a noisy machine disturbs all
alike; medians of the batches are compared. CPU time of the process, not wall time.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import together
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry

from together_otel import TogetherInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[], object]

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
MESSAGES: list[Any] = [{"role": "user", "content": "Hello"}]
CHUNKS = 200
KEY = "tgp_" + "v1_" + "aB3_" * 10 + "abc"

ANSWER = {
    "id": "gen-1",
    "object": "chat.completion",
    "created": 1,
    "model": MODEL,
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
CHUNK = {
    "id": "gen-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": MODEL,
    "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}],
}
REFUSAL = {
    "error": {
        "message": "Invalid API key provided.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
}
STREAM = b"".join(b"data: " + json.dumps(CHUNK).encode() + b"\n\n" for _ in range(CHUNKS))


def transport(request: httpx.Request) -> httpx.Response:
    """Answer as Together would: whole, streamed, or refusing every other key."""
    if request.headers["authorization"] != f"Bearer {KEY}":
        return httpx.Response(401, json=REFUSAL)
    if b'"stream":true' in request.content.replace(b" ", b""):
        headers = {"content-type": "text/event-stream"}
        return httpx.Response(200, content=STREAM + b"data: [DONE]\n\n", headers=headers)
    return httpx.Response(200, json=ANSWER, headers={"x-request-id": "req-1"})


REGISTRY = CollectorRegistry()
HTTP = httpx.Client(transport=httpx.MockTransport(transport))


def client(key: str = KEY) -> together.Together:
    """Make a client on the in-memory transport."""
    return together.Together(
        api_key=key, base_url="http://together.test", http_client=HTTP, max_retries=0
    )


def ask(of: together.Together) -> None:
    """Make one call."""
    of.chat.completions.create(model=MODEL, messages=MESSAGES)


def ask_refused(of: together.Together) -> None:
    """Make one call whose key is refused."""
    try:
        ask(of)
    except together.AuthenticationError:
        return


def read(of: together.Together) -> None:
    """Read one stream."""
    for _ in of.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True):
        pass


class Floor:
    """A span and three histogram records, written by hand."""

    def __init__(self, tracer_provider: TracerProvider, meter_provider: MeterProvider) -> None:
        self._tracer = tracer_provider.get_tracer("floor")
        meter = meter_provider.get_meter("floor")
        self._histograms = [meter.create_histogram(f"floor.{number}", "s") for number in range(3)]
        self._labels = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "together",
            "gen_ai.request.model": MODEL,
            "gen_ai.response.model": MODEL,
            "server.address": "together.test",
            "server.port": 80,
        }

    def around(self, work: Work) -> Work:
        """Return the same work inside a span, with three records after it."""

        def measured() -> None:
            started = time.perf_counter()
            with self._tracer.start_as_current_span(
                f"chat {MODEL}", kind=SpanKind.CLIENT, attributes=dict(self._labels)
            ) as span:
                work()
                span.set_attributes(
                    {
                        "together.request.outcome": "success",
                        "http.response.status_code": 200,
                        "together.request.id": "req-1",
                        "gen_ai.response.id": "gen-1",
                        "gen_ai.response.finish_reasons": ("stop",),
                        "gen_ai.usage.input_tokens": 1,
                        "gen_ai.usage.output_tokens": 1,
                    }
                )
            elapsed = time.perf_counter() - started
            for histogram in self._histograms:
                histogram.record(elapsed, dict(self._labels))

        return measured


class On:
    """Turns the instrumentation on for the time of a batch.

    Args:
        tracer_provider: where spans go.
        meter_provider: where OpenTelemetry's metrics go.
        backend: of the metrics, as TOGETHER_OTEL_METRICS has it.
    """

    def __init__(
        self, tracer_provider: TracerProvider, meter_provider: MeterProvider, backend: str = "otel"
    ) -> None:
        self._places = {
            "tracer_provider": tracer_provider,
            "meter_provider": meter_provider,
            "registry": REGISTRY,
        }
        self._backend = backend

    def __enter__(self) -> None:
        os.environ["TOGETHER_OTEL_METRICS"] = self._backend
        TogetherInstrumentor().instrument(**self._places)

    def __exit__(self, *_: object) -> None:
        TogetherInstrumentor().uninstrument()


def cost(work: Work, times: int) -> float:
    """Return CPU microseconds of one piece of work, in a batch."""
    gc.collect()
    gc.disable()
    try:
        started = time.process_time()
        for _ in range(times):
            work()
        return (time.process_time() - started) / times * 1e6
    finally:
        gc.enable()


def compare(work: Work, times: int, rounds: int, by_hand: Work, *ours: On) -> list[float]:
    """Return what is added to a piece of work, microseconds of CPU: by hand, then by each."""
    added: list[list[float]] = []
    for _ in range(rounds):
        bare = cost(work, times)
        costs = [cost(by_hand, times)]
        for on in ours:
            with on:
                work()
                costs.append(cost(work, times))
        added.append([one - bare for one in costs])
    return [statistics.median(column) for column in zip(*added, strict=True)]


def import_cost() -> float:
    """Return milliseconds that importing the package takes beyond opentelemetry-sdk."""
    program = (
        "import time, opentelemetry.sdk.trace, opentelemetry.sdk.metrics;"
        "t = time.process_time(); import together_otel; print(time.process_time() - t)"
    )
    command = [sys.executable, "-c", program]
    return 1e3 * statistics.median(
        float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        for _ in range(5)
    )


def table(calls: int, rounds: int) -> str:
    """Return the Markdown table of all measurements."""
    meter_provider = MeterProvider([InMemoryMetricReader()])
    recording, dropped = TracerProvider(), TracerProvider(sampler=ALWAYS_OFF)
    recording.add_span_processor(SpanProcessor())
    floor, unsampled_floor = Floor(recording, meter_provider), Floor(dropped, meter_provider)
    on = On(recording, meter_provider)
    on_prometheus = On(recording, meter_provider, "prometheus")
    off, off_prometheus = On(dropped, meter_provider), On(dropped, meter_provider, "prometheus")
    good, bad = client(), client(KEY[:-3] + "xyz")
    streams = max(1, calls // 20)

    def call() -> None:
        ask(good)

    def refused_call() -> None:
        ask_refused(bad)

    def stream_read() -> None:
        read(good)

    hand, ours, exposed = compare(call, calls, rounds, floor.around(call), on, on_prometheus)
    refused_hand, refused = compare(
        refused_call, calls // 2, rounds, floor.around(refused_call), on
    )
    stream_hand, stream = compare(stream_read, streams, rounds, floor.around(stream_read), on)
    unsampled_hand, unsampled, unsampled_exposed = compare(
        call, calls, rounds, unsampled_floor.around(call), off, off_prometheus
    )
    _, constructed = compare(client, calls, rounds, floor.around(client), on)
    suppressed = compare_suppressed(good, calls, rounds, on)
    chunk_hand, chunk = (stream_hand - hand) / CHUNKS, (stream - ours) / CHUNKS
    rows = [
        ("A call", ours, hand),
        ("A call, prometheus_client", exposed, hand),
        ("A call whose span is not sampled", unsampled, unsampled_hand),
        ("A call whose span is not sampled, prometheus_client", unsampled_exposed, unsampled_hand),
        ("A call that is refused, diagnosis and all", refused, refused_hand),
        ("A streamed chunk", chunk, chunk_hand),
        ("A constructor with nothing new", constructed, None),
        ("A call under `suppress_instrumentation`", suppressed, None),
    ]
    lines = ["| | added, µs of CPU | by hand, µs | ratio |", "| --- | --- | --- | --- |"]
    for name, mine, theirs in rows:
        by_hand = "" if theirs is None else f"{theirs:.1f}"
        ratio = "" if theirs is None or theirs < 1 else f"{mine / theirs:.2f}"
        lines.append(f"| {name} | {mine:.1f} | {by_hand} | {ratio} |")
    lines.append(f"| Importing, beyond opentelemetry-sdk | {import_cost() * 1e3:.0f} | | |")
    return "\n".join(lines)


def compare_suppressed(of: together.Together, times: int, rounds: int, on: On) -> float:
    """Return what a call costs more while instrumentation is suppressed, microseconds."""

    def work() -> None:
        with suppress_instrumentation():
            ask(of)

    added = []
    for _ in range(rounds):
        bare = cost(work, times)
        with on:
            added.append(cost(work, times) - bare)
    return statistics.median(added)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=100, help="calls in a batch")
    arguments.add_argument("--rounds", type=int, default=15, help="batches of each kind")
    options = arguments.parse_args()
    logging.getLogger("together_otel").addHandler(logging.NullHandler())
    logging.getLogger("opentelemetry.instrumentation").setLevel(logging.ERROR)
    print(table(options.calls, options.rounds))
