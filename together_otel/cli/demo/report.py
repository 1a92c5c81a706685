"""Output of the demonstration, as plain text of at most 120 columns."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from together_otel.cli.demo.evidence import Evidence
from together_otel.cli.doctor.content import Samples
from together_otel.cli.output import write
from together_otel.names import AUTH_FAILURES, REQUESTS
from together_otel.testing.keys import MadeUpKeys

WIDTH = 120
_COLUMNS = (
    ("What is wrong", 18),
    ("What the SDK says", 27),
    ("Cause", 14),
    ("Counted", 7),
    ("What to do, by together_otel", 42),
)
_GAP = " | "


class Output:
    """Prints lines, unless silent, and keeps them."""

    def __init__(self, keys: MadeUpKeys, *, silent: bool) -> None:
        self._keys = keys
        self._silent = silent
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        """Everything printed so far."""
        return "\n".join(self._lines)

    def line(self, text: str = "") -> None:
        """Print a line immediately."""
        self._lines.append(text)
        if not self._silent:
            write(text + "\n")

    def heading(self, text: str) -> None:
        """Print a heading."""
        self.line()
        self.line(text)
        self.line("=" * len(text))

    def paragraph(self, text: str, label: str = "") -> None:
        """Print wrapped text, after a label if there is one."""
        start = f"  {label:<13}" if label else ""
        for line in textwrap.wrap(
            text,
            WIDTH,
            initial_indent=start,
            subsequent_indent=" " * len(start),
            break_on_hyphens=False,
        ):
            self.line(line)

    def table(self, found: Sequence[Evidence]) -> None:
        """Print the SDK's errors beside the telemetry."""
        rule = "-+-".join("-" * width for _, width in _COLUMNS)
        self._row([title for title, _ in _COLUMNS])
        for evidence in found:
            self.line(rule)
            self._row(self._cells(evidence))
        self.line(rule)

    def counters(self, samples: Samples) -> None:
        """Print a scrape's counters of failures and requests that are not zero."""
        for name in (AUTH_FAILURES.prometheus, REQUESTS.prometheus):
            for labels, value in samples.get(name, ()):
                if value:
                    own = [f'{label}="{text}"' for label, text in labels.items()]
                    shown = ",".join(one for one in own if not one.startswith("otel_scope_"))
                    self.line(f"  {name}{{{shown}}} {value}")

    def alert(self, alert: Mapping[str, Any]) -> None:
        """Print a delivered alert, with its summary first."""
        for name, text in sorted(
            alert["annotations"].items(), key=lambda one: (one[0] != "summary", one[0])
        ):
            self.paragraph(str(text), name)
        labels = ", ".join(f"{name}={value}" for name, value in alert["labels"].items())
        self.paragraph(labels, "labels")

    def _cells(self, evidence: Evidence) -> list[str]:
        said = self._keys.redact(evidence.outcome.said)
        if "[key]" in said:
            said += " ([key] stands for what looks like a key.)"
        counts = evidence.counts
        return [
            evidence.scenario.title,
            said,
            ", ".join(counts),
            f"{sum(counts.values()):g}",
            evidence.remedy,
        ]

    def _row(self, cells: Sequence[str]) -> None:
        wrapped = [
            textwrap.wrap(cell, width, break_on_hyphens=False)
            for cell, (_, width) in zip(cells, _COLUMNS, strict=True)
        ]
        for texts in zip_longest(*wrapped, fillvalue=""):
            parts = (f"{text:<{width}}" for text, (_, width) in zip(texts, _COLUMNS, strict=True))
            self.line(_GAP.join(parts).rstrip())
