"""Recorders, which prepare the series for all requests of one operation, model and server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from together_otel import names
from together_otel.telemetry.counts import Count, Counts
from together_otel.telemetry.labels import BoundedLabels
from together_otel.telemetry.measured import Amount, Labels, Measured
from together_otel.telemetry.request_metrics import CHUNK_TIME, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import SpanContext

    from together_otel.keys import Secrets
    from together_otel.telemetry.counts import Changed

    Observe = Callable[[float, Any], None]
    """Records a value with the result of `Store.exemplar`."""


_PLACES: Final = {name: place for place, name in enumerate(Measured._fields)}


class Store:
    """What recorders write to: the counters, and histograms, which backends add.

    ``release`` is that of the GenAI conventions whose metric names are used; ``chunk_times`` is
    whether each chunk of a stream is recorded; ``changed`` is called with each new value of a
    counter.
    """

    def __init__(
        self,
        release: names.GenAIMetrics = "latest",
        *,
        chunk_times: bool = False,
        changed: Changed | None = None,
    ) -> None:
        self.release = release
        self.chunk_times: bool = chunk_times
        self.labels: BoundedLabels = BoundedLabels()
        self.counts: Counts = Counts(changed)

    def add(self, *amounts: Amount) -> None:
        """Add to counters; 0 creates a series."""
        self.count(
            *((self.counts.of(metric, labels), amount) for metric, labels, amount in amounts)
        )

    def count(self, *amounts: tuple[Count, int]) -> None:
        """Add to series of counters."""
        self.counts.add(*amounts)

    def ratelimits_changed(
        self, model: str | None, remaining: float | None, limit: float | None
    ) -> None:
        """Record a model's rate limits, in requests; ``model`` is its label."""

    def submit(self, series: Series, measured: Measured) -> None:
        """Record a request, now or later."""
        series.record(measured)

    def histogram(self, metric: names.Metric, labels: Labels) -> Observe:
        """Return a function that records in one series of a histogram."""
        del metric, labels
        return lambda _value, _exemplar: None

    def exemplar(self, span_context: SpanContext | None) -> Any:
        """Return the exemplar for a request's span, which functions of `histogram` take."""
        return span_context


class Recorder:
    """Records requests of one operation for one model at one server; the arguments are labels."""

    def __init__(
        self,
        store: Store,
        operation: str | None,
        model: str | None,
        server: tuple[str | None, int | None],
    ) -> None:
        self._store, self._submit = store, store.submit
        self._operation, self._model, self._server = operation, model, server
        self._series: dict[str | None, Series] = {}
        for outcome in ("success", "auth_failure"):
            store.add((names.REQUESTS, (operation, outcome), 0))

    def retried(self, times: int = 1) -> None:
        """Count the SDK's retries."""
        if times:
            self._store.add((names.RETRIES, (self._operation,), times))

    def ratelimits(self, remaining: float | None, limit: float | None) -> None:
        """Record the remaining requests and the limit of requests for the model."""
        self._store.ratelimits_changed(self._model, remaining, limit)

    def chunk_times(
        self, response_model: str | None, span_context: SpanContext | None, secrets: Secrets = ()
    ) -> Callable[[float], None] | None:
        """Return a function that records the seconds between two chunks, ``None`` if disabled."""
        observers = self._series_of(response_model, secrets).chunk_times
        if not observers:
            return None
        exemplar = self._store.exemplar(span_context)

        def record(seconds: float) -> None:
            for observe in observers:
                observe(seconds, exemplar)

        return record

    def record(self, measured: Measured, secrets: Secrets = ()) -> None:
        """Record a request that has ended; the response's model may contain the secrets."""
        series = self._series.get(measured.response_model)
        if series is None:
            series = self._series_of(measured.response_model, secrets)
        self._submit(series, measured)

    def _series_of(self, response_model: str | None, secrets: Secrets) -> Series:
        label = self._store.labels.model(response_model, secrets)
        found = self._series.get(label)
        if found is None:
            labels = (self._operation, names.PROVIDER, self._model, label, *self._server)
            found = self._series.setdefault(label, Series(self._store, labels))
        return found


class Series:
    """The series for requests of one recorder that the same model answered.

    ``labels`` are the values of `names.CALL_LABELS`.
    """

    def __init__(self, store: Store, labels: Labels) -> None:
        self._store = store
        self._labels = labels
        self._operation, _, self._model, *_ = labels
        self._counters: list[tuple[int, bool, names.Metric, Labels]] = []
        self._requested: dict[str, Count] = {}
        self._chosen: dict[str, Count] = {}
        self._counted: dict[names.Metric, Count] = {}
        self._histograms: list[tuple[int, Observe]] = []
        self.chunk_times: list[Observe] = []
        self._duration_metrics: list[names.Metric] = []
        self._by_error: dict[str | None, list[tuple[int, Observe]]] = {}
        """All histograms for an ``error.type``, which only durations have as a label."""
        for row in rows(str(self._operation), store.release, chunk_times=store.chunk_times):
            series = labels + row.further
            if row.field == CHUNK_TIME:
                self.chunk_times.append(store.histogram(row.metric, series))
            elif row.field == "duration":
                self._duration_metrics.append(row.metric)
            elif row.metric.kind == "counter":
                self._counters.append((_PLACES[row.field], row.zero, row.metric, series))
            else:
                observe = store.histogram(row.metric, series)
                self._histograms.append((_PLACES[row.field], observe))

    def record(self, measured: Measured) -> None:
        """Record a request: first the counters, then each histogram, even if another one raises.

        Raises:
            Exception: the first error of a histogram, after all are recorded.
        """
        store, counted, outcome = self._store, self._counted, measured.outcome
        amounts: list[tuple[Count, Any]] = [
            (self._requested.get(outcome) or self._requests(outcome), 1)
        ]
        for reason in measured.finish_reasons:
            amounts.append((self._chosen.get(reason) or self._choices(reason), 1))  # noqa: PERF401 - slower for one
        for place, zero, metric, labels in self._counters:
            if (amount := measured[place]) or zero:
                count = counted.get(metric)
                if count is None:
                    count = counted[metric] = store.counts.of(metric, labels)
                amounts.append((count, amount or 0))
        store.count(*amounts)
        exemplar, error = store.exemplar(measured.span_context), None
        observers = self._by_error.get(measured.error_type) or self._observers(measured)
        for place, observe in observers:
            value: Any = measured[place]
            if value is not None:
                try:
                    observe(value, exemplar)
                except Exception as exc:  # noqa: BLE001 - an application's view may raise anything
                    error = error or exc
        if error is not None:
            raise error

    def _requests(self, outcome: names.Outcome) -> Count:
        labels = self._operation, outcome
        found = self._requested[outcome] = self._store.counts.of(names.REQUESTS, labels)
        return found

    def _choices(self, reason: str) -> Count:
        counted = names.FINISH_REASONS_COUNTED.get(reason, "other")
        found = self._store.counts.of(names.CHOICES, (self._operation, self._model, counted))
        if reason in names.FINISH_REASONS_COUNTED:
            self._chosen[reason] = found
        return found

    def _observers(self, measured: Measured) -> list[tuple[int, Observe]]:
        label = self._store.labels.error_type(measured.error_type)
        found = self._by_error.get(label)
        if found is None:
            labels = (*self._labels, label)
            made = [self._store.histogram(one, labels) for one in self._duration_metrics]
            durations = [(_PLACES["duration"], observe) for observe in made]
            found = self._by_error.setdefault(label, durations + self._histograms)
        return found
