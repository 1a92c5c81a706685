"""Series for dashboards of a large fleet, which no alert needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel import names

from .document import Group, Rule
from .expressions import CAUSE, FINGERPRINT, MODEL, OPERATION, OUTCOME, WINDOW, latest, of

if TYPE_CHECKING:
    from .settings import Options

ERROR = names.label_of(names.ERROR_TYPE)
TOKENS = names.label_of(names.TOKEN_TYPE)


def groups(options: Options) -> tuple[Group, ...]:
    """Return what is cheap and looked at now, then what is large and looked at over time."""
    requests, failures = of(options, names.REQUESTS), of(options, names.AUTH_FAILURES)
    return (
        Group(
            "together_requests",
            (
                Rule(
                    "job_operation_outcome:together_client_requests:rate5m",
                    f"sum by (job, {OPERATION}, {OUTCOME}) (rate({requests}[{WINDOW}]))",
                    comment="Requests a second by operation and outcome.",
                ),
                Rule(
                    "job_instance_outcome:together_client_requests:rate5m",
                    f"sum by (job, instance, {OUTCOME}) (rate({requests}[{WINDOW}]))",
                    comment="Requests a second by instance and outcome.",
                ),
                Rule(
                    "job_operation:together_client_retries:rate5m",
                    f"sum by (job, {OPERATION}) (rate({of(options, names.RETRIES)}[{WINDOW}]))",
                    comment="The SDK's own retries a second.",
                ),
                Rule(
                    "job_instance_cause:together_client_auth_failures:rate5m",
                    f"sum by (job, instance, {CAUSE}) (rate({failures}[{WINDOW}])) > 0",
                    comment="Authentication failures a second, where there are any.",
                ),
                *_keys(options),
            ),
        ),
        Group("together_histograms", _histograms(options), interval="1m"),
    )


def _keys(options: Options) -> tuple[Rule, ...]:
    kept = ", ".join(("job", *names.KEY_INFO.labels))
    return (
        Rule(
            "job_fingerprint:together_client_key_info:count",
            f"count by ({kept}) ({of(options, names.KEY_INFO)})",
            comment="Instances that use a key, by its fingerprint, format and source.",
        ),
        *(
            Rule(
                f"job_fingerprint:{metric.prometheus}:max",
                latest(options, metric, "job", FINGERPRINT),
                comment=f"Unix time: {what} by any instance.",
            )
            for metric, what in (
                (names.KEY_LAST_ACCEPTED, "a key was last accepted"),
                (names.KEY_LAST_REFUSED, "a key was last refused"),
            )
        ),
    )


def _histograms(options: Options) -> tuple[Rule, ...]:
    by = f"job, {OPERATION}, {MODEL}"

    def rate(metric: names.Metric, part: str, kept: str, level: str, comment: str) -> Rule:
        series = f"{metric.prometheus}_{part}"
        return Rule(
            f"{level}:{series}:rate5m",
            f"sum by ({kept}) (rate({of(options, series)}[{WINDOW}]))",
            comment=comment,
        )

    return (
        rate(
            names.DURATION,
            "count",
            f"{by}, {ERROR}",
            "job_operation_model_error",
            "Finished requests a second by model and kind of error.",
        ),
        rate(
            names.DURATION,
            "sum",
            by,
            "job_operation_model",
            "Seconds of requests a second: divided by their count, the mean.",
        ),
        rate(
            names.TIME_TO_FIRST_CHUNK,
            "bucket",
            f"{by}, le",
            "job_operation_model_le",
            "Time to the first chunk of streams: for histogram_quantile.",
        ),
        rate(
            names.TIME_PER_OUTPUT_CHUNK,
            "bucket",
            f"{by}, le",
            "job_operation_model_le",
            "Time between chunks of streams: for histogram_quantile.",
        ),
        rate(
            names.TOKEN_USAGE,
            "sum",
            f"{by}, {TOKENS}",
            "job_operation_model_type",
            "Tokens a second by model and direction.",
        ),
        rate(
            names.TOKEN_USAGE,
            "count",
            f"{by}, {TOKENS}",
            "job_operation_model_type",
            "Requests a second that tell their tokens: tokens by this are tokens a request.",
        ),
    )
