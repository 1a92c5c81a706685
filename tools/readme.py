"""Write the generated parts of README.md and of the pages in docs/.

Run ``python tools/readme.py`` after a change to names or causes, and after saving a benchmark's
table. A test checks that the parts are up to date.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tested_clients

from together_otel import names
from together_otel.cli import COMMANDS
from together_otel.clients import error_types
from together_otel.rules import Options, alert_groups
from together_otel.rules.settings import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"

EVENTS = {
    names.KEY_CHECKED: (
        "INFO, WARNING, ERROR",
        (
            "A client was created and its key inspected; once for each distinct result in a process. "
            "INFO if the key is well-formed, WARNING if it has problems, ERROR"
            " if it is missing or empty; these two with the remedy."
        ),
    ),
    names.AUTH_FAILED: (
        "ERROR, WARNING",
        (
            "An authentication failure; at most one for each key and cause in TOGETHER_OTEL_LOG_INTERVAL. "
            "WARNING, with together.recovery.outcome, if another key made the request succeed."
        ),
    ),
    names.AUTH_RECOVERED: (
        "INFO",
        "The first accepted request after failures, with how long they lasted.",
    ),
    names.KEY_RECOVERED: (
        "WARNING",
        "A refused key was replaced by another one, and a request with the new key was accepted.",
    ),
    names.KEY_NOT_RECOVERED: (
        "WARNING",
        (
            "A search for another key failed: no source had one, a source raised an error, or the new key "
            "was refused too. The application gets the first refusal."
        ),
    ),
    names.KEY_ROTATED: (
        "INFO",
        (
            "The file that a client's key came from has changed, and the client uses the new key before "
            "the old one is refused."
        ),
    ),
    names.REQUEST_NOT_REPEATED: (
        "WARNING",
        (
            "A refused request was not repeated with the new key, because its body cannot be read twice. "
            "The next requests use the new key."
        ),
    ),
    names.OPERATION_EXCEPTION: (
        "WARNING",
        (
            "A request of any operation failed, and its caller did not cancel it. Each failure is a "
            "LogRecord; the log has one line for each operation and error type in "
            "TOGETHER_OTEL_LOG_INTERVAL, and none for failures that auth_failed reports."
        ),
    ),
    names.OPERATION_DETAILS: (
        "DEBUG",
        (
            "A request with messages, if their content is captured in events; the messages are "
            "attributes of the LogRecord, which is emitted regardless of the logger's level."
        ),
    ),
    names.DRILL_STARTED: (
        "WARNING",
        "`together-otel drill` begins to simulate a failure; with the cause and the duration in seconds.",
    ),
    names.DRILL_ENDED: ("WARNING", "The drill is over, and requests are accepted again."),
}
"""Severities of each event, and when it is logged."""


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def diagnoses() -> str:
    """Return the table of causes."""
    return table(
        ("Cause", "Meaning", "What to do"),
        (
            (f"`{cause}`", names.CAUSE_MEANINGS[cause], names.CAUSE_REMEDIES[cause])
            for cause in names.CAUSES
        ),
    )


def emitted() -> str:
    """Return the table of signals and the table of attributes with a closed set of values."""
    spans = (
        (
            "span",
            "`{operation} {model}`, such as `chat a/model`",
            "CLIENT",
            "Each request, including the SDK's retries; a streamed request until its stream ends.",
        ),
        (
            "span",
            f"`{names.CLIENT_INIT_SPAN}`",
            "INTERNAL",
            "A constructor that fails, or whose key was not seen in this process before.",
        ),
        (
            "span",
            f"`{names.CALL_SPAN}`",
            "INTERNAL",
            "Replaces the CLIENT span if another instrumentation's GenAI span of the request is current; its child.",
        ),
    )
    metrics = (
        (
            "metric",
            f"`{metric.name}`, in Prometheus `{metric.prometheus}`",
            ", by ".join(
                filter(None, (metric.kind, ", ".join(f"`{one}`" for one in metric.labels)))
            ),
            metric.description,
        )
        for metric in (*names.OWN_METRICS, *names.LATEST_METRICS)
    )
    events = (("event", f"`{event.name}`", *EVENTS[event]) for event in names.EVENTS)
    signals = table(("Signal", "Name", "Type", "When"), (*spans, *metrics, *events))
    values = table(
        ("Label or attribute", "Values"),
        (
            (f"`{name}`", ", ".join(f"`{value}`" for value in found))
            for name, found in (
                (names.AUTH_CAUSE, names.CAUSES),
                (names.REQUEST_OUTCOME, names.OUTCOMES),
                (names.KEY_PRESENCE, names.PRESENCES),
                (names.KEY_SOURCE, names.SOURCES),
                (names.KEY_FORMAT, names.FORMATS),
                (names.KEY_PROBLEMS, names.PROBLEMS),
            )
        ),
    )
    return f"{signals}\n\n{values}"


def alerts() -> str:
    """Return the section of each alert: when it fires, its severity and its expression."""
    all_of_them = Options(severities=dict.fromkeys(SEVERITIES, "ticket"))
    every = (rule for group in alert_groups(all_of_them) for rule in group.rules)
    checked = '<!-- test: checked by python "$PROJECT/tests/pages/expression.py" -->'
    lines = []
    for rule in (rule for rule in every if rule.word == "alert"):
        severity = SEVERITIES[rule.name]
        listed = "Not exported by default" if severity == "none" else severity.capitalize()
        waits = [f"It fires once its expression has been true for {rule.wait}."] * bool(rule.wait)
        lines += [
            f"## {rule.name}",
            f"**{listed}.** {rule.comment}".rstrip(),
            f"{checked}\n```promql\n{rule.expr}\n```",
            " ".join([*waits, f"It resolves once its expression has been false for {rule.keep}."]),
        ]
    return "\n\n".join(lines)


def saved_table(name: str, first: str = "") -> str:
    """Return a table saved by a benchmark, starting with the first row that begins with a text."""
    saved = json.loads((BENCHMARKS / f"{name}.json").read_text(encoding="utf-8"))
    starts = (place for place, row in enumerate(saved["cells"]) if row[0].startswith(first))
    return table(tuple(saved["header"]), map(tuple, saved["cells"][next(starts) :]))


def errors() -> str:
    """Return the packages whose exception classes are values of `error.type`."""
    return ", ".join(f"`{package}`" for package in error_types.PACKAGES)


def soak() -> str:
    """Return the table of the soak test, as saved by it."""
    header = ("Metrics", "Calls", "Time", "Series", "Memory", "Growth per 100,000 calls")
    saved = json.loads((BENCHMARKS / "soak.json").read_text(encoding="utf-8"))
    return table(header, ((f"`{name}`", *figures) for name, figures in sorted(saved.items())))


def commands() -> str:
    """Return the help text of each command."""

    def usage(name: str) -> str:
        # No colours, so that the text is the same everywhere.
        environment = {**os.environ, "NO_COLOR": "1", "PYTHON_COLORS": "0"}
        command = [sys.executable, "-m", "together_otel", name, "--help"]
        asked = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, check=True, text=True, env=environment, cwd=ROOT
        )
        return asked.stdout.strip()

    return "\n\n".join(f"## {one}\n\n```text\n{usage(one)}\n```" for one in COMMANDS)


def clients() -> str:
    """Return the table of clients: what is instrumented, and the tested releases."""
    return table(("Client", "What is recorded", "Tested with"), tested_clients.rows())


PARTS = {
    "alerts": alerts,
    "clients": clients,
    "commands": commands,
    "comparison": partial(saved_table, "compare"),
    "comparison of failures": partial(saved_table, "compare", "A refused"),
    "diagnoses": diagnoses,
    "emitted": emitted,
    "errors": errors,
    "overhead": partial(saved_table, "overhead"),
    "overhead of clients": partial(saved_table, "overhead-clients"),
    "soak": soak,
}


def pages() -> Iterable[Path]:
    """Return the pages that may contain a generated part."""
    return (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def rendered() -> dict[Path, str]:
    """Return each page's text with its parts generated again.

    Raises:
        ValueError: if the markers of a part do not occur exactly once in all pages.
    """
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    for name, make in PARTS.items():
        part = re.compile(rf"(<!-- {name}: .*? -->\n).*?(\n<!-- end of {name} -->)", re.DOTALL)
        # Escape backslashes, as subn() interprets them in the replacement.
        made = make().replace("\\", r"\\")
        replaced = {page: part.subn(rf"\g<1>{made}\g<2>", text) for page, text in texts.items()}
        found = sum(count for _, count in replaced.values())
        if found != 1:
            raise ValueError(f"the markers of {name!r} are there {found} times, not once")
        texts = {page: text for page, (text, _) in replaced.items()}
    return texts


if __name__ == "__main__":
    for path, text in rendered().items():
        path.write_text(text, encoding="utf-8")
    sys.stdout.write("The pages are up to date\n")
