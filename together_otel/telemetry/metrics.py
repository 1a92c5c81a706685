"""The contract's metrics through the OpenTelemetry API."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.metrics import Observation

from together_otel.names import (
    AUTH_FAILURES,
    DURATION,
    KEY_CHECKS,
    KEY_INFO,
    KEY_LAST_ACCEPTED,
    KEY_LAST_REFUSED,
    MODEL_LIMIT,
    OTHER_MODEL,
    REQUESTS,
    RETRIES,
    TELEMETRY_ERRORS,
    TIME_PER_OUTPUT_CHUNK,
    TIME_TO_FIRST_CHUNK,
    TOKEN_TYPE,
    TOKEN_TYPES,
    TOKEN_USAGE,
    Metric,
)
from together_otel.telemetry.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.metrics import CallbackOptions, Histogram, Meter

    from together_otel.names import Cause, Outcome, Stage, TokenType

COUNTERS = (AUTH_FAILURES, KEY_CHECKS, REQUESTS, RETRIES, TELEMETRY_ERRORS)
DURATIONS = (DURATION, TIME_TO_FIRST_CHUNK, TIME_PER_OUTPUT_CHUNK)


class KeyUse(NamedTuple):
    """What is known of one key in use; times are Unix seconds, ``None`` for never."""

    fingerprint: str
    format: str
    source: str
    last_accepted: float | None
    last_refused: float | None


class Metrics:
    """All instruments of one meter.

    Counters and gauges are observable: a call costs them a dictionary step, they exist at
    zero from the start, and a meter provider set later than the instrumentation finds the
    counts made before it.
    """

    def __init__(self, meter: Meter, *, latest_names: bool = False) -> None:
        self.counts = Counts()
        self.keys_in_use: Callable[[], Iterable[KeyUse]] = tuple
        self._models: set[str] = set()
        self._operations: set[str] = set()
        for metric in COUNTERS:
            meter.create_observable_counter(
                metric.name, [self._counter(metric)], metric.unit, metric.description
            )
        for metric, observe in (
            (KEY_INFO, lambda use: (1, (use.fingerprint, use.format, use.source))),
            (KEY_LAST_ACCEPTED, lambda use: (use.last_accepted, (use.fingerprint,))),
            (KEY_LAST_REFUSED, lambda use: (use.last_refused, (use.fingerprint,))),
        ):
            meter.create_observable_gauge(
                metric.name, [self._gauge(metric, observe)], metric.unit, metric.description
            )

        def histogram(metric: Metric, name: str) -> Histogram:
            return meter.create_histogram(
                name,
                metric.unit,
                metric.description,
                explicit_bucket_boundaries_advisory=metric.buckets,
            )

        self._histograms = {
            metric: histogram(metric, metric.latest if latest_names else metric.name)
            for metric in DURATIONS
        }
        # Of tokens the development branch has a histogram each, without the label.
        self._tokens: dict[TokenType, tuple[Histogram, dict[str, str]]]
        if latest_names:
            self._tokens = {
                kind: (histogram(TOKEN_USAGE, TOKEN_USAGE.latest.format(kind)), {})
                for kind in TOKEN_TYPES
            }
        else:
            tokens = histogram(TOKEN_USAGE, TOKEN_USAGE.name)
            self._tokens = {kind: (tokens, {TOKEN_TYPE: kind}) for kind in TOKEN_TYPES}

    def _counter(self, metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            return [
                Observation(value, dict(zip(metric.attributes, labels, strict=True)))
                for labels, value in self.counts.read(metric)
            ]

        return observe

    def _gauge(
        self, metric: Metric, of: Callable[[KeyUse], tuple[float | None, tuple[str, ...]]]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            return [
                Observation(value, dict(zip(metric.attributes, labels, strict=True)))
                for value, labels in map(of, self.keys_in_use())
                if value is not None
            ]

        return observe

    def auth_failed(self, cause: Cause) -> None:
        """Count one authentication failure."""
        self.counts.add(AUTH_FAILURES, (cause,))

    def key_checked(self, presence: str, key_format: str, source: str) -> None:
        """Count one key that a constructor took."""
        self.counts.add(KEY_CHECKS, (presence, key_format, source))

    def swallowed(self, stage: Stage) -> None:
        """Count one error of our own."""
        self.counts.add(TELEMETRY_ERRORS, (stage,))

    def tried(self, operation: str) -> None:
        """Make an operation's series exist before its outcome is known."""
        if operation in self._operations:
            return
        self._operations.add(operation)
        for outcome in ("success", "auth_failure"):
            self.counts.add(REQUESTS, (operation, outcome), 0)

    def finished(self, operation: str, outcome: Outcome) -> None:
        """Count one request."""
        self.counts.add(REQUESTS, (operation, outcome))

    def retried(self, operation: str, times: int = 1) -> None:
        """Count attempts that the SDK made again by itself."""
        if times:
            self.counts.add(RETRIES, (operation,), times)

    def model(self, name: str) -> str:
        """Return the label for a model: its name, or ``_other`` past the limit."""
        if name not in self._models:
            if len(self._models) >= MODEL_LIMIT:
                return OTHER_MODEL
            self._models.add(name)
        return name

    def record(self, metric: Metric, value: float, attributes: Mapping[str, str | int]) -> None:
        """Record one value of a histogram, in the metric's unit."""
        self._histograms[metric].record(value, dict(attributes))

    def tokens(
        self, kind: TokenType, count: int | None, attributes: Mapping[str, str | int]
    ) -> None:
        """Record tokens of one kind; nothing if they were not reported."""
        if count is None:
            return
        histogram, label = self._tokens[kind]
        histogram.record(count, {**attributes, **label})
