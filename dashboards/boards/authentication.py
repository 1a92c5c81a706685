"""The *Authentication* dashboard: is it failing, where, why, since when, which key, what to do.

The top row asks these questions and answers them; what follows it is evidence.
"""

from __future__ import annotations

from typing import Any

import panels
import rules
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueTextMode

from boards import evidence, frame, series
from together_otel import names

records = rules.records

FINGERPRINT = names.label_of(names.KEY_FINGERPRINT)
REFUSED_AT = series.of(names.KEY_LAST_REFUSED)


def since(*by: str) -> str:
    """Return when that began in the selected time, in seconds; precise to a query's step.

    Of a target that was there before: the first step of its counter. Of one that is new, whose
    first sample may be a failure already: that sample, too.
    """
    kept, scraped = ", ".join(by), series.of(names.AUTH_FAILURES, where=series.UNRECORDED)
    recorded = series.select(records.CAUSE_FAILURES, series.RECORDED)
    stepped = f"sum by ({kept}) (increase({scraped}[$__rate_interval])) > 0"
    over = "[$__range:$__interval]"
    return (
        f"min by ({kept}) (\n"
        f"  min_over_time(timestamp({recorded}){over})\n"
        f"  or min_over_time(timestamp({stepped}){over})\n"
        f"  or (min_over_time(timestamp({scraped} > 0){over})"
        f" unless {scraped} offset $__range)\n"
        f")\n"
        f"and on ({kept}) (\n{series.failing(*by)}\n)"
    )


def answers() -> list[Any]:
    """Return the top row: six questions."""
    red = panels.anything(panels.RED)
    refused, asked = (
        f"sum {series.REQUESTS.rate(*only, over=frame.NOW)}" for only in ((series.REFUSED,), ())
    )
    ill = f"count({series.failing('job', 'instance')})"
    return [
        panels.number(
            "Is it failing?",
            f"Whether anything failed to authenticate in the last {frame.NOW[0]} minutes:"
            " constructors and requests.",
            panels.now(f"clamp_max(sum({series.failing('job')}), 1) or 0 * sum {series.REPORTING}"),
            "bool_yes_no",
            panels.steps((None, panels.GREEN), (0.5, panels.RED)),
        )
        .mappings(
            [
                panels.values({"0": ("No", panels.GREEN), "1": ("Yes", panels.RED)}),
                panels.nothing("Nobody reports", panels.ORANGE),
            ]
        )
        .color_mode(BigValueColorMode.BACKGROUND_SOLID),
        panels.words(
            "Where?",
            "The jobs that fail now, the worst first, three at most; the table has all.",
            f"sort_desc(sum by (job) ({series.failing('job')}))",
            "job",
            [red, panels.nothing("Nowhere")],
        ),
        panels.words(
            "Why?",
            "The causes of now, the most frequent first, three at most.",
            f"sort_desc(sum by ({series.CAUSE}) ({series.failing(series.CAUSE)}))",
            series.CAUSE,
            [red, panels.nothing(panels.NOTHING)],
        ),
        panels.number(
            "Since when?",
            "The first failure, within the selected time, of what fails now.",
            panels.now(f"min({since('job', series.CAUSE)}) * 1000"),
            "dateTimeFromNow",
            panels.steps((None, panels.RED)),
        )
        .mappings([panels.nothing(panels.NOTHING)])
        .text(panels.letters())
        .interval("30s")
        .max_data_points(120),
        panels.words(
            "Which key?",
            f"Fingerprints of the keys refused in the last {frame.NOW[0]} minutes, three at most. A key"
            " that is missing has none.",
            f"sort_desc(max by ({FINGERPRINT}) ({REFUSED_AT}) > time() - {rules.YOUNG})",
            FINGERPRINT,
            [red, panels.nothing("None is refused")],
        ),
        panels.number(
            "How much?",
            "Of all requests, those refused for their key; of all instances, those that fail. One"
            " instance of many: a bad rollout. All of them: the key itself.",
            panels.now(frame.or_zero(f"{refused} / ({asked} > 0)"), "A", "Requests"),
            "percentunit",
            panels.steps((None, panels.GREEN), (0.001, panels.ORANGE), (0.5, panels.RED)),
        )
        .with_target(panels.now(frame.or_zero(f"{ill} / sum {series.REPORTING}"), "B", "Instances"))
        .text_mode(BigValueTextMode.VALUE_AND_NAME)
        .decimals(0),
    ]


def remedies() -> Any:
    """Return the table of what fails now, and what to do about it."""
    by = ("job", series.CAUSE)
    now = series.failing(*by)
    remedy = "remedy"
    # A column of its own for the remedy, which a mapping makes of the cause.
    table = panels.rows(
        "What to do now",
        "What fails now, by job and cause. The remedy leads to the runbook, the job to its"
        " requests; the log event together.client.auth_failed names the variable or argument.",
        panels.instant(
            f'label_replace(\n{now}\n, "{remedy}", "$1", "{series.CAUSE}", "(.*)")', "A"
        ),
        panels.instant(
            f"count by ({', '.join(by)}) (\n{series.failing('job', 'instance', series.CAUSE)}\n)",
            "B",
        ),
        panels.instant(f"({since(*by)}) * 1000", "C"),
    )
    failures = f"Failures, {frame.NOW}"
    table = (
        panels.sort(table, failures)
        .with_transformation(
            panels.columns(
                job="Job",
                **{series.CAUSE: "Cause", "Value #C": "Since", "Value #B": "Instances"},
                **{"Value #A": failures, remedy: "What to do"},
            )
        )
        .no_value("Nothing fails")
        .interval("30s")
        .max_data_points(120)
        .height(6)
        .span(24)
    )
    table = panels.column(
        table, "Job", width=220, links=[frame.to_job(frame.REQUESTS, "Requests of this job")]
    )
    table = panels.column(table, "Cause", width=160, mappings=[panels.anything(panels.RED)])
    table = panels.column(table, "Cause", cellOptions=panels.FILLED)
    table = panels.column(
        table, "Since", unit="dateTimeAsIsoNoDateIfToday", width=180, noValue=panels.NOTHING
    )
    table = panels.column(table, "Instances", width=110)
    table = panels.column(table, failures, width=130, unit="locale", decimals=0)
    told = {cause: (names.CAUSE_REMEDIES[cause], None) for cause in names.CAUSES}
    return panels.column(
        table,
        "What to do",
        mappings=[panels.values(told)],
        links=[{"title": "Runbook", "url": f"{rules.RUNBOOK}#cause-${{__value.raw}}"}],
    )


def build() -> Any:
    """Return the dashboard's model."""
    source, *others = frame.variables()
    loki_source = dashboard.DatasourceVariable("loki").label("Loki").type("loki")
    made = frame.board(
        frame.AUTHENTICATION,
        "Authentication",
        "Is authentication at Together failing, where, why, since when, which key, what to do.",
        [source, *others, loki_source],
        [
            *answers(),
            remedies(),
            *evidence.over_time(),
            evidence.states(),
            evidence.keys(),
            *evidence.instances(),
            *evidence.background(),
        ],
    )
    return made.with_row(evidence.log_events()).build()
