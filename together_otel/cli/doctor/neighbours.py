"""Other instrumentations of calls to Together, and which spans a call has beside each."""

from collections.abc import Iterator
from typing import Final

from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.names import CALL_SPAN
from together_otel.plain.installed import release_of

_NEIGHBOURS = Topic("neighbours")

_WITH_THE_SPAN: Final = (
    "openinference-instrumentation-openai",
    "openinference-instrumentation-litellm",
    "opentelemetry-instrumentation-openai",
    "opentelemetry-instrumentation-openai-v2",
    "opentelemetry-instrumentation-genai-openai",
    "openlit",
    "agentops",
)
"""Distributions whose span is current during a request."""

_WITHOUT: Final = ("langfuse", "ddtrace", "newrelic", "mlflow", "weave", "opik", "braintrust")
"""Distributions whose span is not current during a request, or not one of OpenTelemetry."""


def neighbours() -> Iterator[Finding]:
    """Report, for each installed instrumentation, which one records the GenAI span of a call."""
    for name, release in _installed(*_WITH_THE_SPAN):
        yield _NEIGHBOURS.ok(
            f"{name} {release}: if it is on, it creates the GenAI span of a call; together_otel adds a"
            f" child, {CALL_SPAN}, with its own attributes, and counts the call."
        )
    for name, release in _installed(*_WITHOUT):
        yield _NEIGHBOURS.warning(
            f"{name} {release}: if it is on, each call has its span in addition to together_otel's.",
            "Expect two spans for each call, or disable one of the two.",
        )
    for name, release in _installed("logfire"):
        yield _NEIGHBOURS.warning(
            f"{name} {release}: by default instrument_openai() suppresses other instrumentations"
            " inside its calls: together_otel neither reports nor counts them.",
            "logfire.instrument_openai(suppress_other_instrumentation=False); logfire then creates the"
            f" GenAI span of a call, and together_otel adds a child, {CALL_SPAN}.",
        )


def _installed(*names: str) -> Iterator[tuple[str, str]]:
    return ((name, release) for name in names if (release := release_of(name)))
