"""Running of a drill: requests are refused, then accepted, and the counts are compared."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from together_otel import names
from together_otel.cli.doctor.content import Samples, counts
from together_otel.cli.doctor.endpoint import CannotRead, read
from together_otel.cli.doctor.ports import Port
from together_otel.cli.drill.processes import Process
from together_otel.cli.drill.scenarios import Scenario
from together_otel.plain.spelling import count_of

_PACE = 1.0
_STEPS = 10
"""Minimum number of requests in a drill, unless its duration is 0."""
_CALM = 30.0
_CALM_SHARE = 0.25
"""Seconds for which requests are accepted at the end, and their maximum share of the drill."""
_WARM_UP = 2


@dataclass
class Outcome:
    """The result of a drill; ``said`` is the SDK's last error, ``samples`` the last scrape's.

    ``failed`` counts requests and constructors that failed as expected. There are no faults if the
    drill succeeded.
    """

    started: bool = False
    failed: int = 0
    said: str = ""
    accepted: int = 0
    samples: Samples = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@contextmanager
def ending_early() -> Iterator[threading.Event]:
    """Set an event on Ctrl-C or SIGTERM; raise `KeyboardInterrupt` on a second one."""
    asked = threading.Event()

    def ask(_number: int, _frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {one: signal.signal(one, ask) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@dataclass(eq=False, repr=False)
class Runner:
    """Runs one drill for a number of seconds; 0 for one request of each kind."""

    _cause: names.Cause
    _scenario: Scenario
    _process: Process
    _duration: float
    _say: Callable[[str], None]
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def _pace(self) -> float:
        return min(_PACE, self._duration / _STEPS)

    def check(self) -> bool:
        """Return whether the application counts failures; if not, the drill cannot start."""
        if self._process.command(count=True)["counted"]:
            return True
        self._process.finish()
        why = self._process.last_exception()
        under = f"under opentelemetry-instrument{why and f' ({why})'}"
        self._fault(f"nothing is counted {under}: see together-otel doctor")
        return False

    def run(self, port: Port | None, ended: threading.Event) -> None:
        """Run the drill until it is over or ``ended`` is set. Raises `Died` if it exits earlier."""
        self._process.show()
        self.outcome.started = True
        start = time.monotonic()
        self._emit(names.DRILL_STARTED.name)
        if self._scenario.before:
            for _ in range(_WARM_UP):
                self._accepted()
                ended.wait(self._pace)
        self._scenario.refuse()
        self._say(f"Failing now: {self._cause}.")
        calm = min(_CALM, self._duration * _CALM_SHARE)
        for _ in self._until(start + self._duration - calm, ended):
            self._refused()
        self._scenario.accept()
        self._say("Working again.")
        for _ in self._until(start + self._duration, ended):
            self._accepted()
        self._emit(names.DRILL_ENDED.name)
        self._look(port)
        self._process.finish()
        complaints = Counter(self._process.complaints)
        for one, number in complaints.items():
            often = f", {number} times" if number > 1 else ""
            self._fault(f"an exporter reports{often}: {one}")

    def _until(self, deadline: float, ended: threading.Event) -> Iterator[None]:
        """Yield at the drill's pace until the deadline, at least once."""
        while True:
            due = time.monotonic() + self._pace
            yield
            if ended.wait(max(0.0, due - time.monotonic())) or due >= deadline:
                return

    def _refused(self) -> None:
        answer = self._process.ask(**self._scenario.bad)
        if answer["failed"] is None:
            self._fault("a request was accepted that should have been refused")
        else:
            self.outcome.failed += 1
            name = answer["failed"].rpartition(".")[2]
            self.outcome.said = f"{name}: {answer['why']}".rstrip(": ")

    def _accepted(self) -> None:
        answer = self._process.ask(**self._scenario.good)
        if answer["failed"] is None:
            self.outcome.accepted += 1
        else:
            why = f"{answer['failed']}: {answer['why']}".rstrip(": .")
            self._fault(f"a request with a good key failed: {why}")

    def _emit(self, event: str) -> None:
        fields = {names.DRILL_CAUSE: self._cause, names.DRILL_DURATION: self._duration}
        self._process.command(emit=event, fields=fields)

    def _look(self, port: Port | None) -> None:
        """Compare the counts, in the process and in a scrape, with the failures that happened."""
        self._compare("counted", self._process.command(count=True)["counted"])
        if port is not None:
            try:
                self.outcome.samples = read(port.url)
            except CannotRead as exc:
                self._fault(exc.finding.text)
            else:
                shown = counts(self.outcome.samples, names.AUTH_FAILURES, names.AUTH_CAUSE)
                self._compare(f"shown by {port.url}", shown)

    def _compare(self, how: str, found: dict[str, float]) -> None:
        some = {cause: count for cause, count in found.items() if count}
        if some != {self._cause: self.outcome.failed}:
            shown = ", ".join(f"{cause} {count:g}" for cause, count in some.items()) or "nothing"
            failures = f"{count_of(self.outcome.failed, 'failure')} of {self._cause}"
            self._fault(f"{failures}, {how} as {shown}")

    def _fault(self, text: str) -> None:
        if (fault := text.rstrip(".")) not in self.outcome.faults:
            self.outcome.faults.append(fault)
