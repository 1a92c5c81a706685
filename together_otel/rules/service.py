"""Alerts of the service itself: telemetry that is missing, limits, latency, the error budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel import names
from together_otel.rules import authentication, records
from together_otel.rules.document import Group, Rule
from together_otel.rules.expressions import (
    DURATION_BUCKETS,
    EVERYWHERE,
    MODEL,
    OPERATION,
    OUTCOME,
    SECONDS,
    WINDOW,
    any_of,
    events,
    of,
    rates,
)
from together_otel.rules.texts import JOB, alert_annotations

if TYPE_CHECKING:
    from together_otel.rules.settings import Burn, Dashboard, Options, Severity

STAGE = names.label_of(names.TELEMETRY_STAGE)
STEP = 60
"""Seconds between two evaluations of what looks far back, which sums over time count by."""


def telemetry(options: Options) -> Group:
    """Return alerts of our own absence and errors."""
    present = of(options, records.INSTANCES)
    one_each = of(options, names.AUTH_FAILURES, EVERYWHERE)
    return Group(
        "together_telemetry",
        (
            Rule(
                records.INSTANCES,
                f"count by (job) ({one_each})",
                comment="Processes, or groups of them behind one address, with our metrics.",
            ),
            _alert(
                options,
                "TogetherTelemetryAbsent",
                f"last_over_time({present}[{options.absent_memory}])\n"
                f"unless {present}\n"
                f"and on (job) {of(options, 'up')}",
                f"{JOB} no longer tells how its Together requests go",
                "its targets are still configured, yet none has had together_client metrics for"
                f" {options.absent_for} (instances before: {{{{ $value }}}}). Nothing would be"
                " known of a dead key now. Cause: either every scrape fails (up is 0: service down,"
                " address or port changed), or the process runs without the instrumentation: look"
                " in its log for a port that was taken, and whether the last deploy dropped"
                " opentelemetry-instrument or together-otel.",
                "fleet",
                wait=options.absent_for,
            ),
            _alert(
                options,
                "TogetherTelemetryErrors",
                f"{events(options, names.TELEMETRY_ERRORS, ('job', STAGE))} > 0",
                f"together_otel has errors of its own in {JOB}",
                f"errors in {WINDOW} at stage {{{{ $labels.{STAGE} }}}}:"
                f" {{{{ $value | humanize }}}}. The application is not harmed; some of its telemetry"
                " is missing, counts of refused keys perhaps. Cause: a bug of ours, or an SDK newer"
                " than we know. The log of the logger together_otel has the traceback, once a process. Report it, with the versions of together and"
                " together-otel; or go back to those of before.",
                "fleet",
            ),
        ),
    )


def service(options: Options) -> Group:
    """Return alerts that look far back or at many series: evaluated once a minute."""
    requests = of(options, records.REQUESTS_5M)
    rate_limited = of(options, records.REQUESTS_5M, f'{OUTCOME}="rate_limited"')
    limited = f"sum by (job) ({rate_limited})"
    return Group(
        "together_service",
        (
            authentication.slow(options),
            _alert(
                options,
                "TogetherRateLimited",
                f"{limited} / sum by (job) ({requests}) > {options.limited_share}\n"
                f"and {limited} >= {options.limited_requests}",
                f"Together limits the rate of {JOB}",
                "{{ $value | humanizePercentage }} of its requests end with HTTP 429 after the"
                " SDK's own retries. Cause: more requests or tokens a minute than the account is"
                " allowed. Ask less at once (a queue, fewer workers, smaller batches), or have the"
                " limit raised; see together.ratelimit.* on the spans for what is left.",
                "requests",
            ),
            *_latency(options),
            *_budget(options),
        ),
        interval=f"{STEP}s",
    )


def _alert(
    options: Options,
    name: str,
    expr: str,
    summary: str,
    description: str,
    dashboard: Dashboard,
    *,
    wait: str = "",
    severity: Severity | None = None,
) -> Rule:
    return Rule(
        name,
        expr,
        wait=wait,
        keep=options.keep_firing,
        labels={"severity": severity or options.severities[name]},
        annotations=alert_annotations(options, name, summary, description, dashboard),
    )


def _latency(options: Options) -> tuple[Rule, Rule]:
    by = f"job, {OPERATION}"
    quick = any_of(OPERATION, options.slow_operations)
    buckets = of(options, records.BUCKETS, quick)
    every = of(options, records.BUCKETS, quick, 'le="+Inf"')
    quantile = f"{options.slow_quantile * 100:g} %"
    return (
        Rule(
            records.BUCKETS,
            rates(options, DURATION_BUCKETS, f"{by}, {MODEL}, le", WINDOW),
            comment="Durations of requests: for histogram_quantile.",
        ),
        _alert(
            options,
            "TogetherLatencyHigh",
            f"histogram_quantile({options.slow_quantile}, sum by ({by}, le) ({buckets}))"
            f" > {options.slow_seconds}\n"
            f"and sum by ({by}) ({every}) * {SECONDS} >= {options.slow_requests}",
            f"Together answers {JOB} slowly: {{{{ $labels.{OPERATION} }}}}",
            f"the slowest {100 - options.slow_quantile * 100:g} % of {{{{ $labels.{OPERATION} }}}}"
            f" take {{{{ $value | humanizeDuration }}}} or longer ({quantile} are meant to take"
            f" {options.slow_seconds:g}s at most), retries of the SDK included. Cause: a model"
            " under load, longer prompts or answers, or retries after errors. Compare models and"
            " time to first chunk on the dashboard; use another model or a dedicated endpoint, or"
            " bound max_tokens.",
            "requests",
            wait=WINDOW,
        ),
    )


def _budget(options: Options) -> tuple[Rule, ...]:
    spent = of(options, records.REQUESTS_5M, any_of(OUTCOME, options.errors))
    counted = of(
        options,
        records.REQUESTS_5M,
        any_of(OUTCOME, options.uncounted).replace("=~", "!~"),
    )
    return (
        Rule(
            records.ERRORS,
            f"sum by (job) ({spent}) / {SECONDS}",
            comment="Failed requests that spend the error budget, a second.",
        ),
        Rule(
            records.COUNTED,
            f"sum by (job) ({counted}) / {SECONDS}",
            comment="Requests that the error budget is a share of, a second.",
        ),
        *(
            _alert(
                options,
                "TogetherErrorBudgetBurn",
                "\nor\n".join(
                    _burn(options, burn) for burn in options.burns if burn.severity == severity
                ),
                f"{JOB} spends its error budget of Together requests too fast",
                "{{ $value | humanizePercentage }} of its requests fail, with an objective of"
                f" {options.objective * 100:g} % answered. Cause: see the outcomes on the"
                " dashboard. auth_failure: the key, follow its own alert; rate_limited: ask less;"
                " server_error, timeout: Together, look at https://status.together.ai;"
                " connection_error: DNS, proxy or network on the way.",
                "requests",
                severity=severity,
            )
            for severity in dict.fromkeys(burn.severity for burn in options.burns)
        ),
    )


def _burn(options: Options, burn: Burn) -> str:
    # Sums, not means: a minute without failures may have no sample of them.
    def summed(record: str, window: str) -> str:
        return f"sum_over_time({of(options, record)}[{window}])"

    limit = f"{burn.factor * (1 - options.objective):.6g}"
    shares = (
        f"{summed(records.ERRORS, window)} / {summed(records.COUNTED, window)} > {limit}"
        for window in (burn.long, burn.short)
    )
    enough = f"{summed(records.ERRORS, burn.long)} * {STEP} >= {options.burn_errors}"
    return "(\n  " + "\n  and\n  ".join((*shares, enough)) + "\n)"
