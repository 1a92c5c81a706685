"""Calls in a runtime context that does not keep contexts as they are; prints what came of it.

Environment: TOGETHER_API_KEY, TOGETHER_BASE_URL. Argument: the name of its class.
"""

import json
import sys
from contextvars import ContextVar
from pathlib import Path

from opentelemetry import context, trace
from opentelemetry.context.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext


class Adding(ContextVarsRuntimeContext):
    """Adds something of its own to each context, as Sentry's."""

    def attach(self, new):
        return super().attach(Context({**new, "scopes": ()}))


class SpanOnly:
    """Returns a new context each time; cannot go back to none; leaves a span when it ends: as ddtrace's."""

    def __init__(self):
        self._spans = ContextVar("spans", default=())

    def attach(self, new):
        span = trace.get_current_span(new)
        if span is not trace.INVALID_SPAN:
            self._spans.set((*self._spans.get(), span))
        return object()

    def get_current(self):
        spans = [one for one in self._spans.get() if one.is_recording()]
        return trace.set_span_in_context(spans[-1], Context()) if spans else Context()

    def detach(self, token):
        """Do nothing."""


context._RUNTIME_CONTEXT = globals()[sys.argv[1]]()

sys.path.append(str(Path(__file__).parents[2] / "standins"))

import together  # noqa: E402 - the runtime context comes first
import together_ai  # noqa: E402 - the same

from together_otel import instrument  # noqa: E402 - the same
from together_otel.testing.telemetry import CapturedTelemetry  # noqa: E402 - the same

telemetry = CapturedTelemetry()
instrument(tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider)


class InHouse(together_ai.TogetherAI):
    """Asks by the SDK."""

    def _ask(self, prompt):
        return ask(prompt).choices[0].message.content


def ask(prompt, **options):
    messages = [{"role": "user", "content": prompt}]
    return client.chat.completions.create(model="a/model", messages=messages, **options)


client, found = together.Together(max_retries=0), {}
for name in ("no caller", "caller"):
    caller = trace.INVALID_SPAN
    if name == "caller":
        caller = telemetry.tracer_provider.get_tracer("application").start_span(name)
        context.attach(trace.set_span_in_context(caller))
    ask("Hello")
    kept = [trace.get_current_span() is caller]
    stream = ask("Hello", stream=True)
    kept.append(trace.get_current_span() is caller)
    kept.extend(trace.get_current_span() is caller for _ in stream)
    before = telemetry.counter("together.client.requests")
    InHouse().chat("Hello")
    in_house = telemetry.counter("together.client.requests") - before
    found[name] = {"kept": kept, "in house": in_house}
json.dump(found, sys.stdout)
