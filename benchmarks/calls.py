# python benchmarks/calls.py
"""Measure the overhead of the instrumentation in Python frames and CPU instructions.

Unlike times, these hardly vary between runs. Frames are function calls and generator resumptions
as counted by `sys.setprofile`: this package's own, and all beyond those of the bare SDK.
Instructions beyond those of the bare SDK are counted by valgrind's callgrind, if installed. Both
are differences between a long and a short run, so that the setup cancels out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from worker import Frames, Worker, progress, what_is_emitted
from workload import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable


LENGTHS = {"large prompt": (1, 4), "chunk": (100, 1100), "async chunk": (100, 1100)}
"""Repetitions of a work in a short and in a long run; `CALLS` for other works."""
CALLS = (5, 55)


class Row(NamedTuple):
    """A measurement: a work in a variant."""

    label: str
    variant: str
    work: str


ROWS = [
    Row("The floor: a call", "floor", "call"),
    Row("The floor: a chunk", "floor", "chunk"),
    *(
        row
        for backend, metrics in (("otel", "OpenTelemetry"), ("prometheus", "prometheus_client"))
        for row in (
            Row(f"{metrics}: a call", backend, "call"),
            Row(f"{metrics}: a call with a prompt and an answer of 1 MB", backend, "large prompt"),
            Row(f"{metrics}: an unsampled call", f"{backend} unsampled", "call"),
            Row(f"{metrics}: a suppressed call", backend, "suppressed"),
            Row(f"{metrics}: a refused call", backend, "refused"),
            Row(f"{metrics}: a chunk", backend, "chunk"),
            Row(f"{metrics}: an async chunk", backend, "async chunk"),
            Row(f"{metrics}: a constructor", backend, "constructor"),
        )
    ),
]


def per_piece(count: Callable[[int], float], lengths: tuple[int, int]) -> float:
    """Return the count of one repetition, from the counts of a short and a long run."""
    short, long = lengths
    return (count(long) - count(short)) / (long - short)


class Callgrind:
    """Counts a worker's CPU instructions, from callgrind's files in a folder."""

    def __init__(self, variant: str, emitted: list[Any] | None, folder: Path) -> None:
        self._out = folder / f"{variant.replace(' ', '-')}.out"
        self._dumps = 0
        # Counting starts later, as importing the SDK under callgrind would take a minute.
        options = ("--instr-atstart=no", f"--callgrind-out-file={self._out}", "--quiet")
        self.worker = Worker(
            variant,
            emitted,
            command=("valgrind", "--tool=callgrind", *options),
            collects_garbage=False,
        )

    def start(self) -> None:
        """Wait for the worker and start counting."""
        self.worker.ready()
        self._tell("instrumentation", "on")

    def count(self, work: str, times: int) -> int:
        """Return the instructions of ``times`` repetitions of a work, including the request for it."""
        self.worker.cost(work, times)  # the first run of this length allocates more
        self._tell("zero")
        self.worker.cost(work, times)
        self._tell("dump")
        self._dumps += 1
        dump = self._out.with_suffix(f".out.{self._dumps}").read_text(encoding="utf-8")
        return next(
            int(line.split()[1]) for line in dump.splitlines() if line.startswith("totals:")
        )

    def _tell(self, *command: str) -> None:
        told = ["vgdb", f"--pid={self.worker.process.pid}", *command]
        subprocess.run(told, check=True, capture_output=True)


def works_by_variant(rows: list[Row]) -> dict[str, list[str]]:
    """Return the works to measure in each variant; all of them in the bare one."""
    found: dict[str, list[str]] = {"bare": []}
    for row in rows:
        for variant in ("bare", row.variant):
            found.setdefault(variant, [])
            if row.work not in found[variant]:
                found[variant].append(row.work)
    return found


def frames(rows: list[Row], emitted: list[Any]) -> dict[Row, tuple[float, float]]:
    """Return each row's frames: this package's own, and all beyond the bare SDK's."""
    found: dict[tuple[str, str], tuple[float, ...]] = {}
    for variant, works in works_by_variant(rows).items():
        progress(f"frames: {variant}")
        worker = Worker(variant, emitted if variant == "floor" else None)
        worker.ready()
        for work in works:
            lengths = LENGTHS.get(work, CALLS)
            runs = {times: worker.frames(work, times) for times in lengths}
            found[variant, work] = tuple(
                per_piece({times: run[kind] for times, run in runs.items()}.__getitem__, lengths)
                for kind in range(len(Frames._fields))
            )
        worker.close()
    return {
        row: (own, entered - found["bare", row.work][1])
        for row in rows
        for own, entered in (found[row.variant, row.work],)
    }


def instructions(rows: list[Row], emitted: list[Any]) -> dict[Row, float]:
    """Return each row's instructions beyond the bare SDK's."""
    found: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for variant, works in works_by_variant(rows).items():
            counting = Callgrind(variant, emitted if variant == "floor" else None, Path(folder))
            counting.start()
            for work in works:
                progress(f"instructions: {variant}, {work}")
                count = partial(counting.count, work)
                found[variant, work] = per_piece(count, LENGTHS.get(work, CALLS))
            counting.worker.close()
    return {row: found[row.variant, row.work] - found["bare", row.work] for row in rows}


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", action="store_true", help="frames only")
    parser.add_argument("--client", choices=CLIENTS, help="that client's calls instead")
    parser.add_argument("--json", type=Path, help="file to save the figures to")
    options = parser.parse_args()
    emitted, rows = what_is_emitted(), ROWS
    if (client := options.client) is not None:
        variants = ("floor", "otel", "prometheus")
        rows = [Row(f"{client}, {variant}: a call", variant, client) for variant in variants]
    entered = frames(rows, emitted)
    counted: dict[Row, float] = {}
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: no instructions", file=sys.stderr)
    elif not options.frames:
        counted = instructions(rows, emitted)
    progress("")
    print("| | frames of ours | all frames added | instructions added, thousands |")
    print("| --- | ---: | ---: | ---: |")
    for row in rows:
        own, total = entered[row]
        thousands = f"{counted[row] / 1000:.1f}" if counted else ""
        print(f"| {row.label} | {own:.0f} | {total:.0f} | {thousands} |")
    if options.json is not None:
        saved = {
            row.label: {
                "own": entered[row][0],
                "all": entered[row][1],
                "instructions": counted.get(row),
            }
            for row in rows
        }
        options.json.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
