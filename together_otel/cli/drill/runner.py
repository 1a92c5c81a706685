"""The course of a drill: announced, played, put right, counted."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from together_otel.cli.doctor.content import counts
from together_otel.cli.doctor.endpoint import CannotRead, read
from together_otel.names import (
    AUTH_CAUSE,
    AUTH_FAILURES,
    DRILL_CAUSE,
    DRILL_DURATION,
    DRILL_ENDED,
    DRILL_STARTED,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from together_otel.cli.drill.environment import Port
    from together_otel.cli.drill.processes import Company
    from together_otel.cli.drill.scenarios import Act
    from together_otel.names import Cause

_PACE = 1.0
_STEPS = 10
"""How many requests a drill has at least."""
_CALM = 30.0
_CALM_SHARE = 0.25
"""How long requests are accepted at the end: so many seconds, at most such a part of the drill."""
_WARM_UP = 2


@dataclass
class Outcome:
    """What came of a drill.

    Attributes:
        begun: whether there was an application whose failures are counted.
        failed: requests and constructors that failed while they were to.
        accepted: requests that were accepted.
        faults: what was not as it should be; empty when the drill is a success.
    """

    begun: bool = False
    failed: int = 0
    accepted: int = 0
    faults: list[str] = field(default_factory=list)


@contextmanager
def ending_early() -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into an event; a second one is a `KeyboardInterrupt`."""
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


class Play:
    """One drill.

    Args:
        cause: what is to be told.
        act: what goes wrong.
        company: the application.
        duration: seconds.
        say: tells the user how it goes.
    """

    def __init__(
        self,
        cause: Cause,
        act: Act,
        company: Company,
        duration: float,
        say: Callable[[str], None],
    ) -> None:
        self._cause = cause
        self._act = act
        self._company = company
        self._duration = duration
        self._say = say
        self._pace = min(_PACE, duration / _STEPS)
        self._outcome = Outcome()

    def run(self, port: Port | None, ended: threading.Event) -> Outcome:
        """Play it to the end, which comes early once ``ended`` is set; return what came of it.

        Raises:
            Died: when the application ends before it is told to.
        """
        faults = self._outcome.faults
        if not self._company.answer()["counted"]:
            self._company.finish()
            why = self._company.last_exception().rstrip(".")
            faults.append(
                f"nothing is counted under opentelemetry-instrument{why and f' ({why})'}:"
                " together-otel doctor tells what to do"
            )
            return self._outcome
        self._company.show()
        self._outcome.begun = True
        start = time.monotonic()
        self._tell(DRILL_STARTED.name)
        if self._act.before:
            for _ in range(_WARM_UP):
                self._accepted()
                ended.wait(self._pace)
        self._act.refuse()
        self._say(f"It goes wrong now: {self._cause}.")
        calm = min(_CALM, self._duration * _CALM_SHARE)
        for _ in self._until(start + self._duration - calm, ended):
            self._refused()
        self._act.accept()
        self._say("It is put right now.")
        for _ in self._until(start + self._duration, ended):
            self._accepted()
        self._tell(DRILL_ENDED.name)
        self._look(port)
        self._company.finish()
        complaints = Counter(one.rstrip(".") for one in self._company.complaints)
        for one, number in complaints.items():
            often = f", {number} times" if number > 1 else ""
            faults.append(f"an exporter complains{often}: {one}")
        return self._outcome

    def _until(self, deadline: float, ended: threading.Event) -> Iterator[None]:
        """Yield at the drill's pace, once at least."""
        while True:
            due = time.monotonic() + self._pace
            yield
            if ended.wait(max(0.0, due - time.monotonic())) or due >= deadline:
                return

    def _refused(self) -> None:
        if self._company.order(ask=dict(self._act.bad))["failed"] is None:
            self._fault("a request was accepted while it was to be refused")
        else:
            self._outcome.failed += 1

    def _accepted(self) -> None:
        answer = self._company.order(ask=dict(self._act.good))
        if answer["failed"] is None:
            self._outcome.accepted += 1
        else:
            why = f"{answer['failed']}: {answer['why']}".rstrip(": .")
            self._fault(f"a request with a good key failed: {why}")

    def _tell(self, event: str) -> None:
        fields = {DRILL_CAUSE: self._cause, DRILL_DURATION: self._duration}
        self._company.order(tell=event, fields=fields)

    def _look(self, port: Port | None) -> None:
        """Compare what was counted, and what a scrape shows of it, with what happened."""
        self._compare("counted", self._company.order(count=True)["counted"])
        if port is not None:
            try:
                shown = counts(read(port.url), AUTH_FAILURES, AUTH_CAUSE)
            except CannotRead as exc:
                self._fault(exc.finding.text)
            else:
                self._compare(f"shown by {port.url}", shown)

    def _compare(self, how: str, found: dict[str, float]) -> None:
        some = {cause: count for cause, count in found.items() if count}
        if some != {self._cause: self._outcome.failed}:
            told = ", ".join(f"{cause} {count:g}" for cause, count in some.items()) or "nothing"
            self._fault(f"{self._outcome.failed} failures of {self._cause} were {how} as {told}")

    def _fault(self, text: str) -> None:
        if text not in self._outcome.faults:
            self._outcome.faults.append(text)
