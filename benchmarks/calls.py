# python benchmarks/calls.py
"""Measure the overhead of the instrumentation in Python frames and CPU instructions.

Unlike times, these hardly vary between runs. Frames are function calls and generator resumptions
as counted by `sys.setprofile`: this package's own, and all beyond those of the bare SDK.
Instructions beyond those of the bare SDK are counted by valgrind's callgrind, if installed. Both
are differences between a long and a short run, so that the setup cancels out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from worker import Worker, progress, what_is_emitted
from workload import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    Count = Callable[[str, int], tuple[float, ...]]


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


def per_piece(counts: Iterable[float], lengths: tuple[int, int]) -> float:
    """Return the count of one repetition, from the counts of a short and a long run."""
    (few, many), (short, long) = counts, lengths
    return (many - few) / (long - short)


@contextmanager
def counting_frames(variant: str, emitted: list[Any] | None) -> Iterator[Count]:
    """Yield a function that counts the frames of repetitions: this package's own, and all."""
    worker = Worker(variant, emitted)
    worker.ready()
    yield worker.frames
    worker.close()


@contextmanager
def counting_instructions(variant: str, emitted: list[Any] | None) -> Iterator[Count]:
    """Yield a function that counts the CPU instructions of repetitions and the request for them."""
    with tempfile.TemporaryDirectory() as folder:
        # Counting starts later, as importing the SDK under callgrind would take a minute.
        options = ("--instr-atstart=no", f"--callgrind-out-file={folder}/out", "--quiet")
        command = ("valgrind", "--tool=callgrind", *options)
        worker = Worker(variant, emitted, command=command, collects_garbage=False)
        dumps = (Path(folder, f"out.{number}") for number in itertools.count(1))

        def tell(*words: str) -> None:
            vgdb = ["vgdb", f"--pid={worker.process.pid}", *words]
            subprocess.run(vgdb, check=True, capture_output=True)

        def count(work: str, times: int) -> tuple[int]:
            worker.cost(work, times)  # the first run of this length allocates more
            tell("zero")
            worker.cost(work, times)
            tell("dump")
            lines = next(dumps).read_text(encoding="utf-8").splitlines()
            return (next(int(one.split()[1]) for one in lines if one.startswith("totals:")),)

        worker.ready()
        tell("instrumentation", "on")
        yield count
        worker.close()


def counts(
    rows: list[Row], emitted: list[Any], counting: Callable[..., AbstractContextManager[Count]]
) -> dict[tuple[str, str], tuple[float, ...]]:
    """Return the counts of one repetition of each row's work, in its variant and in the bare one."""
    works: dict[str, dict[str, None]] = {"bare": {}}  # ordered, each work once
    for row in rows:
        works["bare"][row.work] = works.setdefault(row.variant, {})[row.work] = None
    found = {}
    for variant, some in works.items():
        with counting(variant, emitted if variant == "floor" else None) as count:
            for work in some:
                progress(f"{counting.__name__}: {variant}, {work}")
                lengths = LENGTHS.get(work, CALLS)
                runs = zip(*(count(work, times) for times in lengths), strict=True)
                found[variant, work] = tuple(per_piece(run, lengths) for run in runs)
    return found


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
    entered = counts(rows, emitted, counting_frames)
    counted: dict[tuple[str, str], tuple[float, ...]] = {}
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: no instructions", file=sys.stderr)
    elif not options.frames:
        counted = counts(rows, emitted, counting_instructions)
    progress("")
    print("| | frames of ours | all frames added | instructions added, thousands |")
    print("| --- | ---: | ---: | ---: |")
    saved = {}
    for row in rows:
        ours, bare = (row.variant, row.work), ("bare", row.work)
        own, total = entered[ours][0], entered[ours][1] - entered[bare][1]
        added = counted[ours][0] - counted[bare][0] if counted else None
        thousands = "" if added is None else f"{added / 1000:.1f}"
        print(f"| {row.label} | {own:.0f} | {total:.0f} | {thousands} |")
        saved[row.label] = {"own": own, "all": total, "instructions": added}
    if options.json is not None:
        options.json.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
