"""Rows of the overhead table: works, the processes that run them, and what they are compared with."""

from typing import Any, NamedTuple

STREAMS = 1000
THREADS = 32
COLLECTED = 1000
"""Calls between two collections of metrics."""
SHARES = {
    "refused": 0.5,
    "small prompt": 0.5,
    "large prompt": 0.1,
    "chunk": 100.0,
    "async chunk": 100.0,
}
"""Repetitions of a work in its batch, as a multiple of the number of calls in a batch."""
THREADS_SHARE = 0.1


class Task(NamedTuple):
    """The work of a process in each round."""

    process: str
    work: str
    threads: int = 1

    def times(self, calls: int) -> int:
        """Return the repetitions in each thread, given the number of calls in a batch."""
        share = THREADS_SHARE if self.threads > 1 else SHARES.get(self.work, 1.0)
        return max(1, round(calls * share))


class Added(NamedTuple):
    """CPU time that a variant adds to the bare SDK.

    ``total`` counts the whole process with collections, not only the calling thread.
    """

    task: Task
    bare: str = "bare"
    total: bool = False

    @property
    def bare_task(self) -> Task:
        """The same task without the variant."""
        return self.task._replace(process=self.bare)


class Row(NamedTuple):
    """A row of the table: the added CPU time, the one it is compared with, and the ratio's goal."""

    label: str
    added: Added
    beside: Added
    goal: str = ""


PROCESSES = {
    "bare": ("bare", 0),
    "floor": ("floor", 0),
    "otel": ("otel", 0),
    # A separate process, so that the collections of "otel" only contain its calls.
    "otel, rest": ("otel", 1),
    "otel unsampled": ("otel unsampled", 0),
    "prometheus": ("prometheus", 0),
    "prometheus unsampled": ("prometheus unsampled", 0),
    "off": ("off", 0),
    "bare, streams": ("bare", STREAMS),
    "otel, streams": ("otel", STREAMS),
}
"""Variant of each process, and the number of open streams in it."""


def added(process: str, work: str = "call", threads: int = 1, **more: Any) -> Added:
    """Return the time that a process's variant adds to a work."""
    return Added(Task(process, work, threads), **more)


def rows_of_client(client: str) -> list[Row]:
    """Return the rows of another client's calls."""
    floor = added("floor", client)
    return [
        Row(f"{client}: a call, OpenTelemetry metrics", added("otel", client), floor, "0.60"),
        Row(f"{client}: a call, prometheus_client", added("prometheus", client), floor, "0.70"),
    ]


def rows(peers: list[str]) -> list[Row]:
    """Return the table's rows. Most are compared with the floor, others with the same variant."""
    floor, rest = added("floor"), added("otel, rest")
    return [
        Row("A call, OpenTelemetry metrics", added("otel"), floor, "0.60"),
        Row(
            f"The same with a collection after {COLLECTED:,} calls, all threads",
            added("otel", total=True),
            added("floor", total=True),
            "1.05",
        ),
        Row("A call, prometheus_client", added("prometheus"), floor, "0.70"),
        Row(
            f"The same with a scrape after {COLLECTED:,} calls, all threads",
            added("prometheus", total=True),
            added("floor", total=True),
        ),
        Row("Unsampled, OpenTelemetry metrics", added("otel unsampled"), floor),
        Row("Unsampled, prometheus_client", added("prometheus unsampled"), floor, "0.35"),
        Row("A streamed chunk", added("otel, rest", "chunk"), added("floor", "chunk"), "1.2"),
        Row(
            "A streamed chunk, async",
            added("otel, rest", "async chunk"),
            added("floor", "async chunk"),
            "1.2",
        ),
        Row("A refused call, diagnosis and all", added("otel, rest", "refused"), floor, "1.5"),
        Row(
            "Under `suppress_instrumentation`", added("otel", "suppressed"), floor, "0.05 and 4 µs"
        ),
        Row("No provider and no metrics", added("off"), floor, "0.05 and 4 µs"),
        Row("A constructor with nothing new", added("otel, rest", "constructor"), floor),
        Row(
            "A prompt and an answer of 1 MB, against 1 kB",
            added("otel, rest", "large prompt"),
            added("otel, rest", "small prompt"),
            "that of the next row",
        ),
        Row(
            "Hand-written code with 1 MB, against 1 kB: caches are cold",
            added("floor", "large prompt"),
            added("floor", "small prompt"),
        ),
        Row(
            f"A call beside {STREAMS:,} open streams, against one",
            added("otel, streams", bare="bare, streams"),
            rest,
            "1",
        ),
        Row(
            f"A call in {THREADS} threads, against one",
            added("otel, rest", threads=THREADS),
            rest,
            "1.3",
        ),
        *(Row(f"{peer}: a call", added(peer), floor) for peer in peers),
        *(
            Row(f"{peer}: a streamed chunk", added(peer, "chunk"), added("floor", "chunk"))
            for peer in peers
        ),
    ]
