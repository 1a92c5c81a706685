"""The *Authentication* dashboard: is it failing, where, why, since when, which key, what to do.

The top row asks these questions and answers them; what follows it is evidence.
"""

from typing import Any

import panels
import rules
import tables
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueTextMode

from boards import evidence, frame, query
from boards.query import FAILING
from together_otel import names
from together_otel.rules.expressions import CAUSE, FINGERPRINT
from together_otel.settings import DEFAULT_RUNBOOK_URL


def answers() -> list[Any]:
    """Return the top row: six questions."""
    keys = query.of(rules.records.KEY_FAILING, f'{FINGERPRINT}!=""')
    red = panels.anything(panels.RED)
    return [
        panels.number(
            "Is it failing?",
            "Whether any instance was refused in the last hour and not accepted since.",
            panels.now(query.or_zero(f"clamp_max(count({FAILING}), 1)")),
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
            "The jobs that fail now, the worst first, at most three; the table has all.",
            f"sort_desc(count by (job) ({FAILING}))",
            "job",
            [red, panels.nothing("Nowhere")],
        ),
        panels.words(
            "Why?",
            "The causes of current failures, the most frequent first, at most three.",
            f"sort_desc({query.causes()})",
            CAUSE,
            [red, panels.nothing(panels.NOTHING)],
        ),
        panels.number(
            "Since when?",
            "The first refusal of the instances that fail now, without a success since.",
            panels.now(f"min({FAILING}) * 1000"),
            "dateTimeFromNow",
            panels.steps((None, panels.RED)),
        )
        .mappings([panels.nothing(panels.NOTHING)])
        .text(panels.letters()),
        panels.words(
            "Which key?",
            "Fingerprints of the keys that fail now, at most three. A missing key has none.",
            f"sort_desc(max by ({FINGERPRINT}) ({keys}))",
            FINGERPRINT,
            [red, panels.nothing("None is refused")],
        ),
        panels.number(
            "How much?",
            "Share of requests in five minutes refused for their key, and share of instances that"
            " fail. One instance of many: a bad rollout. All of them: the key itself.",
            panels.now(query.share(rules.records.REQUESTS, query.REFUSED), "A", "Requests"),
            "percentunit",
            panels.steps((None, panels.GREEN), (0.001, panels.ORANGE), (0.5, panels.RED)),
        )
        .with_target(
            panels.now(
                query.or_zero(f"count({FAILING}) / sum({query.REPORTING})"), "B", "Instances"
            )
        )
        .text_mode(BigValueTextMode.VALUE_AND_NAME)
        .decimals(0),
    ]


def remedies() -> Any:
    """Return the table of what fails now, and what to do about it."""
    remedy, zero = "remedy", f"{query.of(names.AUTH_LAST_FAILURE)} * 0"
    since = f"{zero}\n  + on ({query.INSTANCE}) group_left () {FAILING}"
    shown = {"job": "Job", CAUSE: "Cause", "Value #B": "Since", "Value #A": "Instances"}
    told = {cause: (names.CAUSE_REMEDIES[cause], None) for cause in names.CAUSES}
    return tables.table(
        "What to do now",
        "Current failures by job and cause. The remedy links to the runbook, the job to its"
        " requests; the log event together.client.auth_failed names the variable or argument.",
        (
            # A column of its own for the remedy, which a mapping makes of the cause.
            f'label_replace({query.causes("job")}, "{remedy}", "$1", "{CAUSE}", "(.*)")',
            f"1000 * min by (job, {CAUSE}) (\n  {since}\n)",
        ),
        {**shown, remedy: "What to do"},
        "Instances",
        "Nothing fails",
        {
            "Job": {"width": 220, "links": [frame.to_job(frame.REQUESTS, "Requests of this job")]},
            "Cause": {
                "width": 160,
                "mappings": [panels.anything(panels.RED)],
                "cellOptions": tables.FILLED,
            },
            "Since": {
                "unit": "dateTimeAsIsoNoDateIfToday",
                "width": 180,
                "noValue": panels.NOTHING,
            },
            "Instances": {"width": 110},
            "What to do": {
                "mappings": [panels.values(told)],
                "links": [
                    {"title": "Runbook", "url": f"{DEFAULT_RUNBOOK_URL}#cause-${{__value.raw}}"}
                ],
            },
        },
    )


def build() -> Any:
    """Return the dashboard's model."""
    loki = dashboard.DatasourceVariable("loki").label("Loki").type("loki")
    return frame.board(
        frame.AUTHENTICATION,
        "Authentication",
        "Whether authentication at Together fails, where, why, since when, with which key, and what to do.",
        [*frame.variables(), loki],
        [*answers(), remedies(), *evidence.panels_()],
    ).build()
