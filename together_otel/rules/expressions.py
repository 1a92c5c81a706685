"""PromQL that several rules are made of.

Two things are to be right where a plain ``increase()`` is wrong. The very first failure: every
cause exists at 0 from the start, so the step to 1 is seen. And what no step shows, because a
series was born with it or the first scrape of a process came after it: see `failures` and
`events`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from together_otel import names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from together_otel.rules.settings import Options

WINDOW = "5m"
SHORT_WINDOW = "1m"  # four scrapes of 15 s: the least that a rate may look at
GAP = "20m"  # the longest gap of scrapes, but WINDOW, that a step is looked for across
LONG_WINDOW = "1h"  # for jobs that ask a few times an hour
SECONDS = 300
"""WINDOW in the arithmetic of timestamps."""
RECENT = 240
"""Seconds: WINDOW less four scrapes.

A refusal's step must not leave the window of increase() while the refusal still counts as recent.
"""

CAUSE = names.label_of(names.AUTH_CAUSE)
FINGERPRINT = names.label_of(names.KEY_FINGERPRINT)
OPERATION = names.label_of(names.OPERATION)
OUTCOME = names.label_of(names.REQUEST_OUTCOME)
MODEL = names.label_of(names.REQUEST_MODEL)
FAILURES = names.AUTH_FAILURES.prometheus
REQUESTS = names.REQUESTS.prometheus
EVERYWHERE = f'{CAUSE}="unknown"'
"""Matcher of one series of failures that every process has from its start."""
STARTED = "process_start_time_seconds"
"""Python's own metric; of processes that share a folder, the start of the first of them."""


def select(metric: str, *matchers: str) -> str:
    """Return a selector; empty matchers are left out."""
    given = ",".join(matcher for matcher in matchers if matcher)
    return f"{metric}{{{given}}}" if given else metric


def of(options: Options, metric: names.Metric | str, *matchers: str) -> str:
    """Return a selector of the jobs that the rules are for."""
    name = metric if isinstance(metric, str) else metric.prometheus
    return select(name, *matchers, f'job=~"{options.jobs}"' if options.jobs else "")


@dataclass(frozen=True)
class Sample:
    """Samples of what several metrics are needed for, one for each kind of operation.

    Attributes:
        name: in Prometheus.
        direction: of tokens, as the label `DIRECTION` of what is made of them.
    """

    name: str
    direction: str = ""

    def labelled(self, expression: str) -> str:
        """Return an expression with the label of these samples, if they have one."""
        if not self.direction:
            return expression
        return f'label_replace({expression}, "{DIRECTION}", "{self.direction}", "", "")'


DIRECTION = "direction"
DURATION_COUNTS = tuple(Sample(f"{one.prometheus}_count") for one in names.DURATION_METRICS)
DURATION_BUCKETS = tuple(Sample(f"{one.prometheus}_bucket") for one in names.DURATION_METRICS)
TOKENS = (
    Sample(names.INPUT_TOKENS_TOTAL.prometheus, "input"),
    Sample(names.OUTPUT_TOKENS_TOTAL.prometheus, "output"),
    Sample(f"{names.EMBEDDINGS_INPUT_TOKENS.prometheus}_sum", "input"),
)


def rates(options: Options, samples: Iterable[Sample], by: str, window: str) -> str:
    """Return the sums of rates of what several metrics are needed for.

    Not by a matcher of names: where a process has the metrics of two releases of the conventions,
    two of them may have the same labels.
    """
    return "\nor\n".join(
        one.labelled(f"sum by ({by}) (rate({of(options, one.name)}[{window}]))") for one in samples
    )


def any_of(label: str, values: Iterable[str]) -> str:
    """Return a matcher of some values of a label."""
    return f'{label}=~"{"|".join(values)}"'


def failures(selector: str = "", by: tuple[str, ...] = ("job", CAUSE), where: str = "") -> str:
    """Return failures of the last five minutes, those that no step of a counter shows as well.

    A counter shows no step when its first scrape came after the failure, or when a process
    that counted one failure is replaced by another that has counted one. Three facts tell such
    counts from old ones: the process is younger than the window (whose metrics name that:
    Python's own do, except with several processes behind one address), or it left them on its
    exit within the window, or a key was refused in the last minutes although no counter of the
    instance stepped. Without the latter half, one refusal of today would bring back every cause
    that the process has ever counted; for the same reason the step is looked for on the other
    side of a gap of scrapes, before everything counts.

    Args:
        selector: further matchers of the failures.
        by: the labels to keep.
        where: matchers of the targets, for every metric.
    """
    counted = select(FAILURES, where, selector)
    every, start, ended, refused = (
        select(metric, where)
        for metric in (
            FAILURES,
            STARTED,
            names.EXIT_TIMESTAMP.prometheus,
            names.KEY_LAST_REFUSED.prometheus,
        )
    )
    kept = f"sum by ({', '.join(by)})"
    unseen = (
        f"time() - max by (job, instance) ({refused}) < {RECENT}\n"
        f"    unless sum by (job, instance) (increase({every}[{WINDOW}])) > 0"
    )
    return (
        f"{kept} (increase({counted}[{WINDOW}])) > 0\n"
        f"or\n"
        f"{kept} (\n"
        f"  {counted} and on (job, instance) (\n"
        f"    time() - {start} < {SECONDS}\n"
        f"    or on (job, instance) time() - {ended} < {SECONDS}\n"
        f"  )\n"
        f"  or\n"
        f"  increase({counted}[{GAP}]) > 0 and on (job, instance) (\n"
        f"    {unseen}\n"
        f"  )\n"
        f"  or\n"
        f"  {counted} and on (job, instance) (\n"
        f"    {unseen}\n"
        f"    unless sum by (job, instance) (increase({every}[{GAP}])) > 0\n"
        f"  )\n"
        f") > 0"
    )


def events(options: Options, metric: names.Metric, by: tuple[str, ...]) -> str:
    """Return what a counter counted in the last five minutes, the first event of a series too.

    A series that not every process has from its start is born with its first event, which no
    step shows. It counts in full when the process is younger than the window, or when other
    series of the instance are older than it; a target that comes back after a gap has none.
    """
    counted = of(options, metric)
    anchor = of(options, names.AUTH_FAILURES, EVERYWHERE)
    return (
        f"sum by ({', '.join(by)}) (\n"
        f"  {counted} and on (job, instance) time() - {of(options, STARTED)} < {SECONDS}\n"
        f"  or\n"
        f"  ({counted} unless {counted} offset {WINDOW})\n"
        f"    and on (job, instance) {anchor} offset {WINDOW}\n"
        f"  or\n"
        f"  increase({counted}[{WINDOW}])\n"
        f")"
    )


def latest(options: Options, metric: names.Metric, *by: str, within: str = "") -> str:
    """Return the latest of a gauge of timestamps.

    ``within`` a window it outlives a process that has ended and a scrape that has failed.
    """
    times = of(options, metric)
    if within:
        times = f"max_over_time({times}[{within}])"
    return f"max by ({', '.join(by)}) ({times})"
