"""Alerts on requests, other than for refused keys: outages, rate limits, latency, error budget."""

from collections.abc import Iterator

from together_otel import names
from together_otel.rules import authentication
from together_otel.rules.document import Group, Rule
from together_otel.rules.expressions import OPERATION, OUTCOME, SUCCEEDED
from together_otel.rules.records import COUNTED, ERRORS
from together_otel.rules.settings import Options
from together_otel.rules.texts import JOB, alert, ask, of

_REQUESTS = names.REQUESTS.prometheus
_FAILED: tuple[names.Outcome, ...] = ("rate_limited", "server_error", "connection_error", "timeout")
"""Outcomes that spend the error budget. Refused keys have alerts of their own."""
_COUNTED = ("success", *_FAILED)
SHARE = "{{ $value | humanizePercentage }}"
_UNSUCCESSFUL = "job:together_unsuccessful:increase30m"
_SLOW = "chat|text_completion"
"""Operations with a latency alert. Others, such as video generation, may be slow."""


def _increase(outcomes: tuple[str, ...], window: str, of: str = "increase") -> str:
    matcher = ""
    if outcomes:
        equal = "=~" if len(outcomes) > 1 else "="
        matcher = f'{{\n  {OUTCOME}{equal}"{"|".join(outcomes)}"}}'
    return f"{of}({_REQUESTS}{matcher}[{window}])"


def _sum(outcomes: tuple[str, ...], window: str, of: str = "increase") -> str:
    return f"sum by (<by>) ({_increase(outcomes, window, of)})"


def _ratio(window: str) -> Rule:
    # Sums, not means: minutes without errors may lack samples. 0.16/s in one minute is ten errors.
    return Rule(
        f"job:together_errors:ratio{window}",
        f"(sum_over_time({ERRORS}[{window}]) > 0.16)\n/ sum_over_time({COUNTED}[{window}])",
    )


def outage(options: Options) -> Group:
    """Return the urgent alert: most requests fail, or none has succeeded for half an hour."""
    return Group(
        "together_requests_failing",
        (
            Rule(
                "job:together_errors:ratio1m",
                f"({_sum(_FAILED, '1m')} >= 10)\n/ {_sum(_COUNTED, '1m')}",
                "Share of requests that Together or the network failed, if at least ten.",
            ),
            Rule(
                _UNSUCCESSFUL,
                f"sum by (<by>) ({_increase(('payment_required', *_FAILED), '30m')}\n"
                f"  or 0.3 * {_increase(('client_error',), '30m')})",
                "Failures except refused keys; a client error is three tenths of one.",
            ),
            *alert(
                options,
                "TogetherRequestsFailing",
                "job:together_errors:ratio1m >= <errors_share>\n"
                f"or {_UNSUCCESSFUL} >= 3\n"
                "  and time() - 21600 < (job:together_auth_success:time < time() - 1800)\n"
                f"or {_UNSUCCESSFUL} + {_UNSUCCESSFUL} offset 30m >= 3\n"
                "  and time() - 21600 < (job:together_auth_success:time < time() - 3600)",
                "Half of a minute's requests fail; or all since a success half an hour or an hour ago.",
                f"Together requests of {JOB} fail",
                _described(options),
            ),
        ),
    )


def service(options: Options) -> Group:
    """Return the alerts with long ranges or many series, which are evaluated once a minute."""
    return Group(
        "together_service",
        (
            *authentication.spike(options),
            *alert(
                options,
                "TogetherNothingSucceeds",
                f"{_UNSUCCESSFUL} + ({_UNSUCCESSFUL} offset 30m\n"
                f"  or {_UNSUCCESSFUL} * 0) >= 3\n"
                "unless job:together_auth_success:time > time() - 1800",
                "Requests fail, and none has succeeded for half an hour.",
                f"No Together request of {JOB} succeeds",
                _described(options),
                wait="30m",
            ),
            *_budget(options),
            *alert(
                options,
                "TogetherRateLimited",
                f"({_sum(('rate_limited',), '5m')} >= 10)\n/ {_sum((), '5m')} >= <limited_share>",
                "Many requests end with HTTP 429.",
                f"Together limits the rate of {JOB}: {SHARE} of its requests",
                _described(options),
            ),
            *_latency(options),
        ),
        interval="1m",
    )


def _described(options: Options) -> str:
    found = ask(f"sort_desc(sum by ({OUTCOME}) (increase({_REQUESTS}{{<of>}}[5m])) > 0)")
    return (
        f"{of(options)}Outcomes in 5m:{{{{ range {found} }}}} {{{{ .Labels.{OUTCOME} }}}}"
        " {{ .Value | humanize }}{{ end }}. Cause: payment_required: the account's credit is spent;"
        " server_error, timeout: Together, see https://status.together.ai; connection_error: DNS, a"
        " proxy or the network; rate_limited: send fewer requests, or raise the limit; client_error:"
        " wrong requests, such as an unknown model."
    )


def _budget(options: Options) -> Iterator[Rule]:
    yield Rule(ERRORS, _sum(_FAILED, "5m", "rate"))
    yield Rule(COUNTED, _sum(_COUNTED, "5m", "rate"))
    windows = ("5m", "30m", "1h", "6h")
    for window in windows:
        yield _ratio(window)
    limits = {factor: f"{factor * (1 - options.objective):.6g}" for factor in (14.4, 6)}

    def burns(factor: float, long: str, short: str) -> str:
        return " and ".join(
            f"job:together_errors:ratio{window} > {limits[factor]}" for window in (long, short)
        )

    yield from alert(
        options,
        "TogetherErrorBudgetBurn",
        f"{burns(14.4, '1h', '5m')}\nor {burns(6, '6h', '30m')}",
        "The budget would be spent in two days, or in five.",
        f"{JOB} spends its error budget: {SHARE} of its Together requests fail",
        _described(options),
    )


def _latency(options: Options) -> Iterator[Rule]:
    durations = names.INFERENCE_DURATION.prometheus
    return alert(
        options,
        "TogetherLatencyHigh",
        f"histogram_quantile(0.95, sum by (<by>, {OPERATION}, le) (rate(\n"
        f"  {durations}_bucket{{{SUCCEEDED},\n"
        f'    {OPERATION}=~"{_SLOW}"}}[5m]))) > <slow_seconds>\n'
        f"and sum by (<by>, {OPERATION}) (increase(\n"
        f"  {durations}_count{{{SUCCEEDED}}}[5m]\n"
        ")) >= 20",
        "The slowest 5 % of at least 20 successful requests in five minutes are too slow.",
        f"Together answers {JOB} slowly: {{{{ $labels.{OPERATION} }}}}",
        f"The slowest 5 % of {{{{ $labels.{OPERATION} }}}} that succeed take"
        " {{ $value | humanizeDuration }} or longer. Cause: a model under load, longer prompts or"
        " answers, or retries. Use another model or a dedicated endpoint, or bound max_tokens.",
        wait="5m",
    )
