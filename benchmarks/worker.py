"""Process that runs the measured work in one variant, and its control through a pipe.

Each variant needs its own process, as providers and patches apply to a whole process. In a round,
the processes run in turn, so that noise on the machine affects all equally.
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
    # Let malloc keep freed memory: otherwise the kernel clears memory for each body of 1 MB.
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
}


class Cost(NamedTuple):
    """CPU time of one repetition in µs: of the calling threads (their mean) and of the process."""

    caller: float
    process: float


class Frames(NamedTuple):
    """Numbers of function calls and generator resumptions in a run: this package's, and all."""

    own: int
    all: int


class Worker:
    """Starts and controls a process with one variant, as `variants.variant` takes it.

    ``command`` is a program with options to run Python under.
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
        """Wait until the process is ready; return its first message."""
        return self._receive()

    def cost(self, work: str, times: int, threads: int = 1) -> Cost:
        """Repeat a work ``times`` times in each thread; return the cost of one repetition."""
        return Cost(*self._ask(work=work, times=times, threads=threads))

    def frames(self, work: str, times: int) -> Frames:
        """Repeat a work ``times`` times; return the frames of all repetitions."""
        return Frames(*self._ask(work=work, times=times, frames=True))

    def collection(self) -> float:
        """Collect the metrics; return the CPU time of it in µs."""
        took: float = self._ask(collect=True)
        return took

    def close(self) -> None:
        """End the process."""
        with self.process:  # closes its pipes and waits for it
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
    """Return the telemetry that this package emits for a call, for the floor's worker."""
    worker = Worker("emitted")
    emitted = worker.ready()
    worker.close()
    return emitted


def count_frames(run: Run) -> Frames:
    """Return the frames of a run."""
    import together_otel  # noqa: PLC0415 - not needed to drive workers

    package = os.path.dirname(together_otel.__file__)  # noqa: PTH120 - compared with co_filename
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
    """Return the cost of one repetition in a run of ``times`` repetitions."""
    process, caller = time.process_time_ns(), time.thread_time_ns()
    run()
    caller, process = time.thread_time_ns() - caller, time.process_time_ns() - process
    return Cost(caller / times / 1000, process / times / 1000)


def run_on(processors: Iterable[int]) -> None:
    """Restrict this thread and those that it starts to these processors, if supported."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)


PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def measure_threads(work: Work, times: int, threads: int) -> Cost:
    """Return the cost of one repetition in several threads at once, on all processors."""
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
    """The worker process's side of the pipe."""

    def __init__(
        self, variant: str, emitted: list[Any] | None, streams: int, *, collects_garbage: bool
    ) -> None:
        import variants  # noqa: PLC0415 - not needed to drive workers
        from workload import Workload, stream_from_memory  # noqa: PLC0415 - as above

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
    """Show progress on a terminal, replacing the previous text."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Serve requests from standard input, one JSON line each."""
    # Redirect stdout to stderr, so that only replies are written to the pipe.
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
    # All processes use the same processor, so that other load affects them equally.
    run_on(PROCESSORS[-1:])
    answer("ready")
    for line in sys.stdin:
        request = json.loads(line)
        answer(served.collect(**request) if "collect" in request else served.work(**request))


if __name__ == "__main__":
    main()
