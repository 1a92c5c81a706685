"""Checks of a scrape: which metrics it contains, and why others are missing."""

from collections.abc import Iterator
from typing import TypeAlias

from together_otel import names
from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.plain.spelling import count_of

_FAILURES = Topic("failures")
_METRICS = Topic("metrics")
_NAMES = Topic("names")
_REQUESTS = Topic("requests")

Samples: TypeAlias = "dict[str, list[tuple[dict[str, str], float]]]"
"""Labels and values by sample name."""

_NOBODY = (
    "Normal right after a start; otherwise calls are made in processes that this endpoint does not"
    " cover: let them share PROMETHEUS_MULTIPROC_DIR."
)
USUAL = tuple(
    one for one in (*names.OWN_METRICS, *names.LATEST_METRICS) if one not in names.CHUNK_METRICS
)
"""Metrics that are emitted by default."""
_STARTED = "process_start_time_seconds"

TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
AGGREGATION = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
CUMULATIVE = f"set {TEMPORALITY} to cumulative, or unset it"
EXPLICIT = f"Set {AGGREGATION} to explicit_bucket_histogram, or unset it."
NO_BUCKETS = (
    "an exponential histogram becomes a native histogram in Prometheus, but TogetherLatencyHigh and"
    " the dashboards need buckets."
)


def content(samples: Samples) -> Iterator[Finding]:
    """Check the samples of a scrape."""
    if not any(map(names.is_ours, samples)):
        yield _not_ours(samples)
        return
    if names.AUTH_FAILURES.prometheus not in samples:
        yield _renamed(samples)
        return
    failures = counts(samples, names.AUTH_FAILURES, names.AUTH_CAUSE)
    missing = [cause for cause in names.CAUSES if cause not in failures]
    if missing:
        yield _FAILURES.problem(
            f"{names.AUTH_FAILURES.prometheus} is missing for {', '.join(missing)}: the first failure"
            " of these will not count as an increase.",
            "Keep it in metric_relabel_configs and the collector; else update together-otel.",
        )
    else:
        yield _FAILURES.ok(
            f"{names.AUTH_FAILURES.prometheus} is present for all {len(names.CAUSES)} causes."
        )
    for cause, count in failures.items():
        if count:
            yield _FAILURES.warning(
                f"The metrics count {count_of(count, 'authentication failure')} of cause {cause}.",
                next((remedy for one, remedy in names.CAUSE_REMEDIES.items() if one == cause), ""),
            )
    yield from _use(samples)
    for stage, count in counts(samples, names.TELEMETRY_ERRORS, names.TELEMETRY_STAGE).items():
        if count:
            yield Topic("errors").warning(
                f"The instrumentation had {count_of(count, 'internal error')}, at {stage}.",
                "The application's log has the first of them: please report it.",
            )
    if _STARTED not in samples:
        yield Topic("start").ok(
            f"{_STARTED} is missing, as is usual with your own MultiProcessCollector: restarts are"
            " detected from the counters."
        )


def counts(samples: Samples, metric: names.Metric, attribute: str) -> dict[str, float]:
    """Return a counter's sums by one attribute."""
    sums: dict[str, float] = {}
    for labels, value in samples.get(metric.prometheus, ()):
        name = labels.get(names.label_of(attribute), "")
        sums[name] = sums.get(name, 0.0) + value
    return sums


def _not_ours(samples: Samples) -> Finding:
    families = sorted({name.partition("_")[0] for name in samples})
    shown = ", ".join(f"{one}_…" for one in families[:5])
    if {"python", "target", "otel"} & set(families):
        return _METRICS.problem(
            f"A Python process answers, with {shown} and without these metrics: the"
            " instrumentation is not on in it, or its metrics are exported elsewhere.",
            "Run together-otel doctor in the environment of that process; let the workers of a"
            " server share PROMETHEUS_MULTIPROC_DIR.",
        )
    return _METRICS.problem(
        f"It has {shown}, but not these metrics: it is another program's endpoint.",
        "Use the application's endpoint; together-otel doctor in its environment reports the port.",
    )


def _renamed(samples: Samples) -> Finding:
    name = names.AUTH_FAILURES.prometheus
    bare = name.removesuffix("_total")
    alike = [one for one in samples if one.replace(".", "_").removesuffix("_total") == bare]
    if alike:
        return _NAMES.problem(
            f"{alike[0]} is present instead of {name}, which rules and dashboards need.",
            "Configure the collector's exporter to add suffixes (add_metric_suffixes, or its"
            " translation_strategy UnderscoreEscapingWithSuffixes).",
        )
    ours = ", ".join(sorted(one for one in samples if names.is_ours(one))[:3])
    return _NAMES.problem(
        f"{name} is missing, though {ours} is present: something drops it, or another"
        " instrumentation emits these metrics.",
        f"Keep it in metric_relabel_configs and the collector, and {CUMULATIVE}.",
    )


def _use(samples: Samples) -> Iterator[Finding]:
    """Check the metrics that appear once clients are created and used."""
    if names.KEY_CHECKS.prometheus not in samples:
        yield Topic("clients").warning("No client has been created yet.", _NOBODY)
        return
    requests = counts(samples, names.REQUESTS, names.REQUEST_OUTCOME)
    if not requests:
        yield _REQUESTS.warning("Clients were created, but made no request yet.", _NOBODY)
        return
    shown = ", ".join(f"{outcome} {count:g}" for outcome, count in sorted(requests.items()))
    yield _REQUESTS.ok(f"Requests are counted: {shown}.")
    durations = [metric.prometheus for metric in names.DURATION_METRICS]
    if any(requests.values()) and not any(f"{name}_count" in samples for name in durations):
        yield _REQUESTS.problem(
            f"{names.INFERENCE_DURATION.prometheus} is missing, though requests are present: histograms are"
            " dropped.",
            "Keep it in metric_relabel_configs, the collector, and views of the SDK, and"
            f" {CUMULATIVE}.",
        )
    for name in durations:
        bounds = {labels.get("le") for labels, _ in samples.get(f"{name}_bucket", ())}
        if f"{name}_count" in samples and not bounds - {"+Inf"}:
            yield _REQUESTS.problem(f"{name} has no buckets: {NO_BUCKETS}", EXPLICIT)
    if names.KEY_INFO.prometheus not in samples:
        yield Topic("keys").warning(
            f"{names.KEY_INFO.prometheus} is missing: alerts cannot distinguish keys.",
            "Unset TOGETHER_OTEL_FINGERPRINT, unless it is off intentionally.",
        )
    seen = sum(any(name.startswith(one.prometheus) for name in samples) for one in USUAL)
    yield _METRICS.ok(f"{seen} of the {len(USUAL)} metrics are present; others appear with use.")
