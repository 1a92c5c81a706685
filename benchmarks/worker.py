"""A process that does the measured work in one variant, and what drives it through a pipe.

Each variant has a process of its own, since providers and patches belong to a process; a round
asks one after another, so that a noisy machine disturbs all alike.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workload import Run, Work


STEADY = {
    "PYTHONHASHSEED": "0",
    # The C library keeps what is freed: else a body of 1 MB is cleared by the kernel each time.
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
}


class Cost(NamedTuple):
    """CPU of one piece of work, µs.

    Attributes:
        caller: of the calling thread; with several threads, their mean.
        process: of the whole process.
    """

    caller: float
    process: float


class Frames(NamedTuple):
    """Python functions entered and generators resumed, by a run.

    Attributes:
        own: those of this package.
        all: everybody's.
    """

    own: int
    all: int


class Worker:
    """A process with one variant.

    Args:
        variant: its name; `variants.variant` tells which there are.
        emitted: what the floor is to emit.
        streams: how many streams are open all the while.
        command: a program, with its options, that Python is to run in.
        collects_garbage: whether Python's collector runs, as in an application.
    """

    def __init__(
        self,
        variant: str,
        emitted: list[Any] | None = None,
        streams: int = 0,
        command: tuple[str, ...] = (),
        *,
        collects_garbage: bool = True,
    ) -> None:
        settings = ("TOGETHER", "OTEL", "PROMETHEUS")
        environment = {
            name: value
            for name, value in os.environ.items()
            if not any(word in name for word in settings)
        }
        self.process = subprocess.Popen(
            [*command, sys.executable, __file__],
            env=environment | STEADY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._send(
            {
                "variant": variant,
                "emitted": emitted,
                "streams": streams,
                "collects_garbage": collects_garbage,
            }
        )

    def ready(self) -> Any:
        """Wait until it can work; return what it begins with."""
        return self._receive()

    def cost(self, work: str, times: int, threads: int = 1) -> Cost:
        """Do a work so many times in each of so many threads; return what one piece costs."""
        return Cost(*self._ask(work=work, times=times, threads=threads))

    def frames(self, work: str, times: int) -> Frames:
        """Do a work so many times; return the frames of all."""
        return Frames(*self._ask(work=work, times=times, frames=True))

    def collection(self) -> float:
        """Collect the metrics; return what that costs, µs of CPU."""
        took: float = self._ask(collect=True)
        return took

    def close(self) -> None:
        """End the process."""
        with self.process:  # which closes its pipes, and waits
            pass

    def _ask(self, **request: Any) -> Any:
        self._send(request)
        return self._receive()

    def _send(self, request: dict[str, Any]) -> None:
        if self.process.stdin is None:
            raise RuntimeError("the worker has no pipe")
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def _receive(self) -> Any:
        line = self.process.stdout.readline() if self.process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"a worker has ended with {self.process.wait()}")
        return json.loads(line)


def what_is_emitted() -> Any:
    """Return what this package emits for a call, as the floor's worker takes it."""
    worker = Worker("emitted")
    emitted = worker.ready()
    worker.close()
    return emitted


def count_frames(run: Run) -> Frames:
    """Return the frames of a run."""
    import together_otel  # noqa: PLC0415 - not needed to drive workers

    package = os.path.dirname(together_otel.__file__)  # noqa: PTH120 - compared with code's names
    own = entered = 0

    def note(frame: Any, event: str, _argument: object) -> None:
        nonlocal own, entered
        if event == "call":
            entered += 1
            own += frame.f_code.co_filename.startswith(package)

    gc.disable()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
        gc.enable()
    return Frames(own, entered)


def measure(run: Run, times: int) -> Cost:
    """Return what one piece of a run of so many costs."""
    process, caller = time.process_time_ns(), time.thread_time_ns()
    run()
    caller, process = time.thread_time_ns() - caller, time.process_time_ns() - process
    return Cost(caller / times / 1000, process / times / 1000)


def run_on(processors: Iterable[int]) -> None:
    """Let this thread, and those that it starts, run on these processors, where that can be set."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)


PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def measure_threads(work: Work, times: int, threads: int) -> Cost:
    """Return what one piece costs in many threads at once, on all processors."""
    costs: list[Cost] = []
    start = threading.Barrier(threads)

    def one() -> None:
        with work(times) as run:
            start.wait()
            costs.append(measure(run, times))

    run_on(PROCESSORS)
    workers = [threading.Thread(target=one) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    run_on(PROCESSORS[-1:])
    return Cost(*(sum(column) / threads for column in zip(*costs, strict=True)))


class _Served:
    """The process's side of the pipe."""

    def __init__(
        self, variant: str, emitted: list[Any] | None, streams: int, *, collects_garbage: bool
    ) -> None:
        import variants  # noqa: PLC0415 - not needed to drive workers
        from workload import Workload, stream_from_memory  # noqa: PLC0415 - the same

        stream_from_memory()
        if emitted is not None:
            *rest, records, exemplars = emitted
            emitted = variants.Emitted(
                *rest, [variants.Record(*record) for record in records], exemplars
            )
        self._variant = variants.variant(variant, emitted)
        workload = Workload(self._variant.prepare)
        workload.open_streams(streams)
        if not collects_garbage:
            gc.disable()
        self._works = workload.works
        self._warm: set[str] = set()

    def collect(self, **_: object) -> float:
        return measure(self._variant.collect, 1).process

    def work(
        self, work: str, times: int, threads: int = 1, *, frames: bool = False
    ) -> Cost | Frames:
        made = self._works[work]
        if work not in self._warm:
            with made(times) as run:
                run()
            self._warm.add(work)
            gc.collect()
            gc.freeze()
        if threads > 1:
            return measure_threads(made, times, threads)
        with made(times) as run:
            return count_frames(run) if frames else measure(run, times)


def progress(text: str) -> None:
    """Show what is going on, on a terminal, in place of what was shown before."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Serve what is asked for on standard input, a line of JSON each."""
    # What others print is not an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: object) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    first = json.loads(sys.stdin.readline())
    if first["variant"] == "emitted":
        from variants import emitted  # noqa: PLC0415 - not needed to drive workers

        answer(emitted())
        return
    served = _Served(**first)
    # All processes on the same one: what else goes on there disturbs them alike.
    run_on(PROCESSORS[-1:])
    answer("ready")
    for line in sys.stdin:
        request = json.loads(line)
        answer(served.collect(**request) if "collect" in request else served.work(**request))


if __name__ == "__main__":
    main()
