"""What panels add up: series that the rules record, or every target's own.

A fleet of a thousand instances has too many series of its own to be added up while somebody waits.
So a job's series are read as the rules have recorded them, if they have; those of chosen instances,
and of jobs that no rule is for, are read as they were scraped. `$recorded` tells them apart: it is
the jobs that have recorded series, and none where instances are chosen. Matchers of either half of
an expression that match nothing cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import rules

from together_otel import names

if TYPE_CHECKING:
    from collections.abc import Sequence

records = rules.records

SELECTED = 'job=~"$job",instance=~"$instance"'
RECORDED = 'job=~"$job",job=~"$recorded"'
"""Targets whose series are read as the rules have recorded them."""
UNRECORDED = f'{SELECTED},job!~"$recorded"'
"""Targets whose series are read as they were scraped."""
RECORDED_JOBS = f'label_values({records.REPORTING}{{job=~"$job",job=~"$instance"}}, job)'
"""Query of `$recorded`: chosen instances have no job's name, and all of them are any name.

The series is there only where both files of rules are loaded.
"""

CAUSE = names.label_of(names.AUTH_CAUSE)
OPERATION = names.label_of(names.OPERATION)
OUTCOME = names.label_of(names.REQUEST_OUTCOME)
REFUSED = f'{OUTCOME}="auth_failure"'
MODEL = f'{names.label_of(names.REQUEST_MODEL)}=~"$model"'
INTERVAL = "$__interval_ms / 1000"
"""Seconds of a bar."""


def select(name: str, *matchers: str) -> str:
    """Return a selector."""
    return f"{name}{{{','.join(matchers)}}}"


def of(metric: names.Metric, *matchers: str, where: str = SELECTED) -> str:
    """Return the selector of a metric's series at the targets chosen, as they were scraped."""
    return select(metric.prometheus, where, *matchers)


@dataclass(frozen=True)
class Events:
    """Something that every target counts, and the record of how often it happens.

    Attributes:
        record: of the rules: events a second.
        samples: the counters, of which each event is in one.
        always: matchers that all have.
    """

    record: str
    samples: Sequence[rules.Sample]
    always: Sequence[str] = ()

    def rate(self, *matchers: str, over: str = "$__rate_interval") -> str:
        """Return events a second."""
        return f"({self._recorded(matchers)} or {self._scraped('rate', over, matchers)})"

    def counts(self, *matchers: str) -> str:
        """Return events in each interval of a graph."""
        return (
            f"(avg_over_time({self._recorded(matchers)}[$__interval]) * {INTERVAL}"
            f" or {self._scraped('increase', '$__rate_interval', matchers)})"
        )

    def mean(self, *matchers: str) -> str:
        """Return events a second of the whole time that is selected."""
        return (
            f"(avg_over_time({self._recorded(matchers)}[$__range])"
            f" or {self._scraped('rate', '$__range', matchers)})"
        )

    def total(self, *matchers: str) -> str:
        """Return events of the whole time that is selected, in steps of the panel's interval."""
        return (
            f"(sum_over_time({self._recorded(matchers)}[$__range:$__interval]) * {INTERVAL}"
            f" or {self._scraped('increase', '$__range', matchers)})"
        )

    def _recorded(self, matchers: Sequence[str]) -> str:
        return select(self.record, RECORDED, *self.always, *matchers)

    def _scraped(self, function: str, over: str, matchers: Sequence[str]) -> str:
        every = (UNRECORDED, *self.always, *matchers)
        return " or ".join(
            one.labelled(f"{function}({select(one.name, *every)}[{over}])") for one in self.samples
        )


def _counter(metric: names.Metric) -> Sequence[rules.Sample]:
    return (rules.Sample(metric.prometheus),)


def _buckets(metric: names.Metric) -> Sequence[rules.Sample]:
    return (rules.Sample(f"{metric.prometheus}_bucket"),)


REQUESTS = Events(records.REQUESTS, _counter(names.REQUESTS))
INSTANCE_REQUESTS = Events(records.INSTANCE_REQUESTS, _counter(names.REQUESTS))
RETRIES = Events(records.RETRIES, _counter(names.RETRIES))
FAILURES = Events(records.FAILURES, _counter(names.AUTH_FAILURES))
TELEMETRY_ERRORS = Events(records.TELEMETRY_ERRORS, _counter(names.TELEMETRY_ERRORS))
CALLS = Events(records.CALLS, rules.DURATION_COUNTS, (MODEL,))
DURATIONS = Events(records.BUCKETS, rules.DURATION_BUCKETS, (MODEL,))
FIRST_CHUNKS = Events(records.FIRST_CHUNKS, _buckets(names.INFERENCE_FIRST_CHUNK), (MODEL,))
OUTPUT_CHUNKS = Events(records.OUTPUT_CHUNKS, _buckets(names.MEAN_CHUNK_TIME), (MODEL,))
TOKENS = Events(records.TOKENS, rules.TOKENS, (MODEL,))
EVERY_DURATION = Events(records.BUCKETS, rules.DURATION_BUCKETS)
EVERY_TOKEN = Events(records.TOKENS, rules.TOKENS)
"""The last two whatever the model, for dashboards that do not ask for one."""

_ONE_EACH = select(names.AUTH_FAILURES.prometheus, UNRECORDED, rules.EVERYWHERE)
"""One series of each target that reports."""

REPORTING = f"({select(records.REPORTING, RECORDED)} or count by (job) ({_ONE_EACH}))"
"""How many instances of a job report.

Every process counts authentication failures of every cause from 0 on.
"""


def failing(*by: str) -> str:
    """Return how many instances fail to authenticate now, by labels.

    Those that failed in the last minutes, or in the last hour without any success since.
    """
    each = f"max by (job, instance, {CAUSE}) ({of(names.AUTH_LAST_FAILURE)})"
    failed = f"max by (job, instance) ({of(names.AUTH_LAST_FAILURE)})"
    succeeded = f"max by (job, instance) ({of(names.AUTH_LAST_SUCCESS)})"
    return (
        f"count by ({', '.join(by)}) (\n"
        f"  {each} > time() - {rules.YOUNG}\n"
        f"  or {each} > time() - 3600\n"
        f"    unless on (job, instance) {succeeded} >= {failed}\n"
        f")"
    )
