# python benchmarks/overhead.py
"""Measure the CPU time that the instrumentation adds to the bare SDK, as a ratio to a floor.

The floor is a span and histogram records made directly with OpenTelemetry, with the attributes
that this package emits for the same call. They are read from such a call at the start, so that
the floor grows with the telemetry. Each variant has its own processes, with an in-process HTTP
transport. In each round, all variants run a small batch in turn, so that noise on the machine
affects all equally. A figure is the median over all rounds. A ratio is shown with two standard
errors from its variation between sets of processes, as memory layout affects a process's speed.

The tables of the page on performance are generated from benchmarks/overhead.json and, for
`--client`, overhead-clients.json: measure with `--json` and that file, then run
`python tools/readme.py`.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from peers import PEERS
from rows import COLLECTED, PROCESSES, Added, Row, Task, rows, rows_of_client
from worker import Cost, Worker, progress, what_is_emitted
from workload import CLIENTS

from together_otel.plain.installed import release_of

IMPORTS, IMPORT_SETS = 15, 5


class Figure(NamedTuple):
    """Result of a row: two medians, and two standard errors of their ratio."""

    label: str
    added: float
    beside: float
    unit: str
    errors: float
    goal: str

    def cells(self) -> list[str]:
        """Return the cells of the row in the table."""
        added, beside = (f"{_short(one)} {self.unit}" for one in (self.added, self.beside))
        ratio = f"{self.added / self.beside:.2f} ± {self.errors:.2f}"
        return [self.label, added, beside, ratio, self.goal]


HEADER = ["", "added", "compared with", "ratio", "goal"]


class Samples:
    """Measurements of all rounds."""

    def __init__(self, table: list[Row]) -> None:
        every = [one for row in table for one in (row.added, row.beside)]
        self.costs: dict[Task, list[Cost]] = {
            task: [] for one in every for task in (one.bare_task, one.task)
        }
        self._collections: dict[str, list[float]] = {task.process: [] for task in self.costs}

    @property
    def processes(self) -> list[str]:
        """Names of the processes to start."""
        return list(self._collections)

    def measure(self, workers: dict[str, Worker], calls: int, rounds: int) -> None:
        """Run the rounds, in each of which all processes run their batches in turn."""
        tasks = list(self.costs)
        for number in range(1, rounds + 1):
            progress(f"round {number} of {rounds}")
            for task in tasks:
                cost = workers[task.process].cost(task.work, task.times(calls), task.threads)
                self.costs[task].append(cost)
            # Rotate, so that the round does not always begin with the same batch.
            tasks.append(tasks.pop(0))
            if number * calls % COLLECTED == 0:
                for name, worker in workers.items():
                    self._collections[name].append(worker.collection())

    def of(self, one: Added) -> list[float]:
        """Return the added CPU time per repetition in µs, for each round."""
        pairs = zip(self.costs[one.task], self.costs[one.bare_task], strict=True)
        if not one.total:
            return [cost.caller - bare.caller for cost, bare in pairs]
        collection = statistics.median(self._collections[one.task.process]) / COLLECTED
        return [cost.process - bare.process + collection for cost, bare in pairs]

    def figure(self, row: Row, sets: int) -> Figure:
        """Return the result of a row."""
        ours, beside = self.of(row.added), self.of(row.beside)
        return _figure(row.label, ours, beside, "µs", sets, row.goal)


def _figure(
    label: str, ours: list[float], beside: list[float], unit: str, sets: int, goal: str
) -> Figure:
    size = len(ours) // sets
    ratios = [
        statistics.median(ours[first : first + size])
        / statistics.median(beside[first : first + size])
        for first in range(0, size * sets, size)
    ]
    errors = 2 * statistics.stdev(ratios) / sets**0.5
    return Figure(label, statistics.median(ours), statistics.median(beside), unit, errors, goal)


def imports() -> Figure:
    """Return the CPU time of importing and turning on this package, compared with OpenTelemetry's."""
    program = (
        "import time; began = time.process_time();"
        "import opentelemetry.sdk.trace, opentelemetry.sdk.metrics, opentelemetry.sdk._logs;"
        "import opentelemetry.instrumentation.instrumentor; sdk = time.process_time();"
        "import together_otel; together_otel.instrument(); print(sdk - began, time.process_time() - sdk)"
    )
    took: list[list[float]] = []
    for number in range(IMPORTS + 1):
        progress(f"import {number} of {IMPORTS}")
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""},
            capture_output=True,
            check=True,
            text=True,
        )
        took.append([float(seconds) * 1e3 for seconds in done.stdout.split()])
    # Without the first, which may compile modules.
    sdk, ours = ([one[column] for one in took[1:]] for column in (0, 1))
    label = "Import and `instrument()`, beyond OpenTelemetry's own"
    return _figure(label, ours, sdk, "ms", IMPORT_SETS, "40 ms")


def measured(table: list[Row], calls: int, rounds: int, processes: int) -> list[Figure]:
    """Return the results of all rows, from sets of processes that run in sequence."""
    samples = Samples(table)
    emitted = what_is_emitted()
    for number in range(1, processes + 1):
        workers = {}
        try:
            for name in samples.processes:
                variant, streams = PROCESSES.get(name, (name, 0))
                workers[name] = Worker(variant, emitted if variant == "floor" else None, streams)
            for done, worker in enumerate(workers.values()):
                progress(f"processes {number} of {processes}: {done} of {len(workers)} started")
                worker.ready()
            samples.measure(workers, calls, rounds)
        finally:
            for worker in workers.values():
                worker.close()
    return [samples.figure(row, processes) for row in table]


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"  # noqa: PLR2004 - three digits


def installed(peers: list[str]) -> list[str]:
    """Return the peers that are installed; print those that are not."""
    missing = [peer for peer in peers if release_of(PEERS[peer].distribution) is None]
    for peer in missing:
        print(f"{peer} is left out: `pip install {PEERS[peer].distribution}`", file=sys.stderr)
    return [peer for peer in peers if peer not in missing]


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50, help="calls in a batch")
    parser.add_argument("--rounds", type=int, default=30, help="of each set of processes")
    parser.add_argument("--processes", type=int, default=5, help="sets of processes")
    parser.add_argument("--peer", action="append", choices=PEERS, default=[], help="measured too")
    parser.add_argument(
        "--client", action="append", choices=CLIENTS, default=[], help="that client instead"
    )
    parser.add_argument("--json", type=Path, help="file to save the table to")
    options = parser.parse_args()
    if COLLECTED % options.calls or options.calls * options.rounds < COLLECTED:
        parser.error(f"calls must divide {COLLECTED}, and a set of rounds have as many")
    if options.processes < 2:  # noqa: PLR2004 - a difference takes two
        parser.error("the error of a ratio takes two sets of processes")
    size = options.calls, options.rounds, options.processes
    if options.client:
        figures = measured([row for one in options.client for row in rows_of_client(one)], *size)
    else:
        figures = [*measured(rows(installed(options.peer)), *size), imports()]
    progress("")
    cells = [one.cells() for one in figures]
    for line in (HEADER, ["---"] * len(HEADER), *cells):
        print("| " + " | ".join(line) + " |")
    for client in options.client:
        from clients import show  # noqa: PLC0415 - its libraries may not be installed

        show(client)
    if options.json is not None:
        saved = {
            "python": platform.python_version(),
            "versions": {name: version(name) for name in ("together", "opentelemetry-sdk")},
            "header": HEADER,
            "cells": cells,
            "figures": [one._asdict() for one in figures],
        }
        options.json.write_text(json.dumps(saved, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
