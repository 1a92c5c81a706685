"""What the *Authentication* dashboard's answers follow from: causes, keys, instances, log events."""

from typing import Any

import panels
import tables
from grafana_foundation_sdk.builders import dashboard, logs, loki, text
from grafana_foundation_sdk.models.common import LogsSortOrder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from boards import frame, query
from boards.query import records
from together_otel import names
from together_otel.rules.expressions import CAUSE, FINGERPRINT, OUTCOME
from together_otel.settings import DEFAULT_RUNBOOK_URL

FORMAT = names.label_of(names.KEY_FORMAT)
KEY_SOURCE = names.label_of(names.KEY_SOURCE)
PRESENCE = names.label_of(names.KEY_PRESENCE)
RECOVERY = names.label_of(names.RECOVERY_OUTCOME)
LOKI = DataSourceRef(type_val="loki", uid="${loki}")

CAUSE_COLORS: dict[str, str] = {
    "none": "green",
    "redirected": "blue",
    "overridden": "dark-purple",
    "header_lost": "light-blue",
    "wrong_endpoint": "dark-blue",
    "revoked": "red",
    "wrong_variable": "dark-yellow",
    "not_passed": "light-yellow",
    "missing": "orange",
    "empty": "light-orange",
    "wrong_provider": "purple",
    "malformed": "yellow",
    "rejected": "dark-red",
    "unknown": "light-red",
}
"""A cause has one colour: reds for keys that Together refuses, yellows for keys not there."""
NEVER = {
    "unit": "dateTimeFromNow",
    "mappings": [panels.values({"-1": ("never", None)})],
    "noValue": "gone",
}
"""A column of `query.moment`."""


def panels_() -> list[Any]:
    """Return all of it."""
    return [*over_time(), jobs(), keys(), *instances(), clients(), runbook(), log_events()]


def over_time() -> list[Any]:
    """Return why and how much, over time."""
    failures = query.or_none(f"60 * {query.sums(CAUSE, records.FAILURES)} > 0", CAUSE)
    searched = f"60 * {query.rates(RECOVERY, names.KEY_RECOVERIES)} > 0"
    return [
        panels.bars(
            "Failures per minute by cause",
            "Authentication failures per minute. The remedies are below.",
            panels.each(CAUSE, failures),
            colors=CAUSE_COLORS,
        ),
        panels.stacked(
            "Requests by outcome",
            "Requests per second; this dashboard is about auth_failure.",
            "reqps",
            panels.each(OUTCOME, query.sums(OUTCOME, records.REQUESTS)),
            colors=frame.COLORS,
        ),
        panels.lines(
            "Share of requests refused, by job",
            "One job of many: its own key. All of them: the account, or a key that they share.",
            "percentunit",
            panels.each("job", query.share(records.REQUESTS, query.REFUSED, by="job")),
        ).max(1),
        panels.bars(
            "Searches for another key per minute",
            "If recovery is on: searches by outcome.",
            panels.each(RECOVERY, query.or_none(searched, RECOVERY)),
        ),
    ]


def jobs() -> Any:
    """Return the table of when each job last succeeded and failed."""
    return tables.table(
        "Last success and last failure",
        "Of each job, for all its keys. The later of the two is its current state.",
        (
            query.moment(f"{query.of(records.LAST_SUCCESS)} > 0", "job"),
            query.moment(query.of(names.AUTH_LAST_FAILURE), "job"),
        ),
        {"job": "Job", "Value #A": "Last success", "Value #B": "Last failure"},
        "Last failure",
        "Nobody reports",
        {"Last success": NEVER, "Last failure": NEVER},
    )


def keys() -> Any:
    """Return the table of keys."""
    by = f"job, {FINGERPRINT}"
    unused = f"or 0 * max by ({by}) ({query.of(names.KEY_INFO)}) - 1"
    accepted, refused = (
        f"max by ({by}) ({query.of(one)})"
        for one in (names.KEY_LAST_ACCEPTED, names.KEY_LAST_REFUSED)
    )
    shown = {
        "job": "Job",
        FINGERPRINT: "Fingerprint",
        "Value #A": "State",
        "Value #C": "Last accepted",
        "Value #D": "Last refused",
        "Value #B": "Instances",
        FORMAT: "Format",
        KEY_SOURCE: "Source",
    }
    states = {
        "-1": ("not used yet", panels.GREY),
        "0": ("accepted", panels.GREEN),
        "1": ("refused", panels.RED),
        "2": ("never accepted", panels.RED),
    }
    return tables.table(
        "Keys in use",
        "By fingerprint: whether Together accepts the key, its format and its source."
        " The later of acceptance and refusal decides.",
        (
            f"{refused} > bool {accepted}\nor 2 * ({refused} > bool 0)\nor 0 * {accepted}\n{unused}",
            f"count by ({by}, {FORMAT}, {KEY_SOURCE}) ({query.of(names.KEY_INFO)})",
            f"{accepted} * 1000 {unused}",
            f"{refused} * 1000 {unused}",
        ),
        shown,
        "State",
        "No key of 20 characters or more is in use",
        {
            "Job": {"width": 220},
            "Fingerprint": {"width": 140},
            "State": {
                "width": 160,
                "align": "left",
                "cellOptions": tables.FILLED,
                "mappings": [panels.values(states)],
            },
            "Instances": {"width": 110},
            "Last accepted": NEVER,
            "Last refused": NEVER,
        },
    )


def instances() -> list[Any]:
    """Return the tables of instances: why they fail, and how their requests end."""
    pair = "job, instance"
    last = f"max by ({pair}, {CAUSE}) ({query.of(names.AUTH_LAST_FAILURE)} > time() - $__range_s)"
    why = tables.table(
        "Last failure by instance and cause",
        "In the selected time, whether or not the instance succeeded since.",
        (f"{last} * 1000",),
        {"job": "Job", "instance": "Instance", CAUSE: "Cause", "Value": "Last failure"},
        "Last failure",
        "No failures",
        {"Last failure": {"unit": "dateTimeFromNow"}},
    )
    zero = f"or 0 * max by ({pair}) ({query.of(names.REQUESTS)})"

    def ended(matcher: str) -> str:
        return query.rates(pair, names.REQUESTS, matcher)

    shown = {
        "job": "Job",
        "instance": "Instance",
        "Value #A": "Refused",
        "Value #B": "Succeeded",
        "Value #C": "Otherwise",
        "Value #D": "Failing since",
    }
    rate = {"unit": "reqps", "width": 115, "noValue": panels.NOTHING}
    ends = tables.table(
        "Instances by outcome",
        "Requests per second in the last minutes: one bad instance of many is a bad rollout.",
        (
            ended(query.REFUSED),
            ended(f'{OUTCOME}="success"'),
            ended(f'{OUTCOME}!~"success|auth_failure"') + f"\n{zero}",
            f"1000 * max by ({pair}) ({query.FAILING})\n{zero} - 1",
        ),
        shown,
        "Refused",
        "Nobody reports",
        {
            "Refused": {
                **rate,
                "cellOptions": tables.WRITTEN,
                "thresholds": tables.limits((None, panels.GREY), (0.0001, panels.RED)),
            },
            "Succeeded": rate,
            "Otherwise": rate,
            "Failing since": {
                "unit": "dateTimeFromNow",
                "mappings": [panels.values({"-1": (panels.NOTHING, None)})],
            },
        },
    )
    return [
        one.height(12).span(span).filterable(filterable=True)
        for one, span in ((why, 10), (ends, 14))
    ]


def clients() -> Any:
    """Return what constructors found."""
    shown = {"job": "Job", PRESENCE: "Presence", FORMAT: "Format", KEY_SOURCE: "Source"}
    return tables.table(
        "Keys that clients were made of",
        "Keys inspected by constructors since the processes started.",
        (f"sum by (job, {PRESENCE}, {FORMAT}, {KEY_SOURCE}) ({query.of(names.KEY_CHECKS)})",),
        {**shown, "Value": "Clients"},
        "Clients",
        "No client was created",
    )


def runbook() -> Any:
    """Return the runbook in one table."""
    lines = ["| Cause | Meaning | What to do |", "| --- | --- | --- |"]
    lines += [
        f"| [{cause}]({DEFAULT_RUNBOOK_URL}#cause-{cause}) | {names.CAUSE_MEANINGS[cause]}"
        f" | {names.CAUSE_REMEDIES[cause]} |"
        for cause in names.CAUSES
    ]
    return (
        text.Panel()
        .title("What to do, by cause")
        .description("The runbook in one table.")
        .content("\n".join(lines))
        .height(16)
        .span(24)
    )


def log_events() -> dashboard.Row:
    """Return the log events, in a row that asks for them when it is opened: not all have Loki."""
    told = (names.AUTH_FAILED, names.AUTH_RECOVERED, names.KEY_RECOVERED)
    events = "|".join(event.name for event in told)
    panel = (
        logs.Panel()
        .title("Log events of authentication")
        .description("Each event names the variable or argument at fault, and the remedy.")
        .datasource(LOKI)
        .with_target(
            loki.Dataquery()
            .datasource(LOKI)
            .ref_id("A")
            .max_lines(100)
            # Loki names services of its own accord; OpenTelemetry's resource, or the workload.
            .expr(f'{{service_name=~"$job"}} |~ "{events.replace(".", "[.]")}"')
        )
        .show_time(show_time=True)
        .wrap_log_message(wrap_log_message=True)
        .enable_log_details(enable_log_details=True)
        .sort_order(LogsSortOrder.DESCENDING)
        .height(10)
        .span(24)
    )
    row = dashboard.Row("Log events (opens where there is Loki)")
    return row.collapsed(collapsed=True).with_panel(panel)
