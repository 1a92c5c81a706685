"""Ctrl-C, or a worker's time limit, at any line of ours leaves the context as it was."""

import logging
import signal
import sys
from collections import Counter
from unittest import mock

import pytest
from application import (
    FAILING,
    KEY,
    MODES,
    OURS,
    SCENARIOS,
    Application,
    Telemetry,
    accepted,
    drive,
    missing,
    observe,
    off,
    plain,
    refusal,
    refused,
)
from frames import passed_by
from generation import made_up_key
from opentelemetry import context
from opentelemetry.sdk.trace import SpanProcessor

from together_otel.calls import active
from together_otel.keys import text_of

SPREAD = 30
"""How many of the lines that a scenario passes are tried, wherever they are."""

EVERY = 10_000
"""More than there are."""

NEAR = 6
"""How many lines before and after each change of the context are tried."""


class Tracer:
    """Notes the lines of ours that a thread passes, and raises at one of them.

    Args:
        at: where: how often a line was passed before, and which it is.
        interrupt: what is raised there.
    """

    def __init__(self, at=None, interrupt=None):
        self.passed = []
        self.contexts = []
        self.raised = None
        """What left the scenario."""
        self.context_is_as_before = self.has_interrupted = self.is_ignored = False
        self._at, self._interrupt = at, interrupt
        self._times = Counter()

    def __call__(self, frame, _event, _arg):
        return self._in_ours if frame.f_code.co_filename.startswith(OURS) else None

    def _in_ours(self, frame, event, _arg):
        if event == "line":
            place = frame.f_lineno, frame.f_code
            point = (self._times[place], *place)
            self._times[place] += 1
            if self._interrupt is None:
                self.passed.append(point)
                self.contexts.append(context.get_current())
            elif point == self._at:
                self.has_interrupted = True
                raise self._interrupt
        return self._in_ours

    def run(self, scenario, mode):
        async def run():
            context.attach(before := context.set_value("application", object()))
            sys.settrace(self)
            try:
                await scenario(Application(mode))
            finally:
                sys.settrace(outer)
                self.context_is_as_before = context.get_current() == before

        def ignored(one):
            self.is_ignored |= one.exc_value is self._interrupt

        outer = sys.gettrace()
        with mock.patch.object(sys, "unraisablehook", ignored):
            try:
                drive(run(), mode)
            except BaseException as exc:  # noqa: BLE001 - which is compared
                self.raised = exc


def interrupt_points(scenario, mode, telemetry, spread=SPREAD):
    """Return when to interrupt: at lines near changes of the context, and at some of the rest."""
    for _ in range(2):  # what is imported late is passed once
        telemetry.instrument()
        (tracer := Tracer()).run(scenario, mode)
        off()
    seen = tracer.contexts
    changes = [n for n in range(1, len(seen)) if seen[n] is not seen[n - 1]]
    near = {n for one in changes for n in range(one - NEAR, one + NEAR)}
    first = [n for n, (times, _, _) in enumerate(tracer.passed) if times == 0]
    chosen = near.union(first[:: -(-len(first) // spread)])
    return [tracer.passed[n] for n in sorted(chosen) if 0 <= n < len(seen)]


async def retried(app):
    """Make a call whose key is refused once, so that recovery has another one."""
    return await app.chat(app.client(refused, accepted))


def shown_by(exc):
    """Return the variables of our frames by which an exception's traceback shows the key."""
    stretches = {KEY[at : at + 8] for at in range(len("tgp_" + "v1_"), len(KEY) - 7)}
    return [
        (frame.f_code.co_name, name)
        for frame in passed_by(exc)
        for name, value in frame.f_locals.items()
        if any(one in repr(value) for one in stretches)
    ]


async def keys_everywhere(app):
    """Make a refused call that says its key in headers and body."""
    headers = {"Authorization": f"Bearer {KEY}", "x-api-key": KEY}
    return await app.chat(app.client(refused), extra_headers=headers, extra_body={"q": KEY})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", FAILING)
def test_an_interrupt_of_the_log_costs_no_other_signal(scenario, mode):
    """A failure is counted and traced, though the caller gets no further than its log handler."""

    def interrupt(record):
        if record.getMessage().startswith("together.client.auth_failed"):
            raise KeyboardInterrupt

    vars(handler := logging.Handler())["emit"] = interrupt
    logging.getLogger("together_otel").addHandler(handler)
    telemetry = Telemetry()
    telemetry.instrument()
    with pytest.raises(KeyboardInterrupt):
        drive(scenario(Application(mode)), mode)
    assert telemetry.failures() == {"count": 1, "line": 0, "record": 1, "span": 1}


@pytest.mark.parametrize("mode", MODES)
def test_interrupt_shows_no_key(mode):
    """Error trackers send the variables of every frame: those of our inner ones are not there."""
    telemetry, shown, interrupted = Telemetry(), [], 0
    for point in interrupt_points(keys_everywhere, mode, telemetry, EVERY)[1:]:
        telemetry.instrument()
        (tracer := Tracer(point, KeyboardInterrupt())).run(keys_everywhere, mode)
        off()
        interrupted += tracer.has_interrupted
        # Until its first line has put them away, a function has what it was called with.
        is_first = point[1] <= point[2].co_firstlineno + 3
        if tracer.raised is not None and not is_first:
            shown += shown_by(tracer.raised)
    assert shown == []
    assert interrupted > SPREAD


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", [*SCENARIOS, retried])
def test_interrupt_restores_the_context(scenario, mode, monkeypatch):
    """The application gets it as it is, and its context; the next call is made as ever."""
    if scenario is retried:
        monkeypatch.setenv("TOGETHER_OTEL_RECOVERY", "environment")
        monkeypatch.setenv("TOGETHER_API_KEY", made_up_key("C"))
    telemetry, found, interrupted = Telemetry(), [], 0
    tried, without = interrupt_points(scenario, mode, telemetry), observe(plain, mode)
    for number, point in enumerate(tried):
        interrupt = (KeyboardInterrupt, SystemExit)[number % 2]()
        telemetry.instrument()
        (tracer := Tracer(point, interrupt)).run(scenario, mode)
        after = observe(plain, mode).differences(without)
        off()
        interrupted += tracer.has_interrupted
        # In a finalizer, Python itself swallows it.
        is_raised = tracer.raised is interrupt or tracer.is_ignored or not tracer.has_interrupted
        if not is_raised or not tracer.context_is_as_before or after:
            _, line, code = point
            state = "context restored" if tracer.context_is_as_before else "context left behind"
            place = f"{code.co_filename.removeprefix(OURS)}:{line}"
            found.append((place, repr(tracer.raised), state, after))
    assert not found, "\n".join(map(str, found))
    assert interrupted > 0.9 * len(tried)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", [plain, refusal, missing])
def test_interrupt_leaves_no_span_open(scenario, mode):
    """Wherever the end of a call or a constructor is interrupted."""
    telemetry, started, found = Telemetry(), [], []
    telemetry.tracers.add_span_processor(spans := SpanProcessor())
    vars(spans)["on_start"] = lambda span, **_: started.append(span)
    ending = {"_end", "fail", "finish", "report_answer", "set_clean"}
    points = [
        one
        for one in interrupt_points(scenario, mode, telemetry, EVERY)
        if one[2].co_name in ending
    ]
    for point in points:
        started.clear()
        telemetry.instrument()
        Tracer(point, KeyboardInterrupt()).run(scenario, mode)
        off()
        found += [point for span in started if span.is_recording()]
    assert points
    assert found == []


class SoftLimitError(Exception):
    """A time limit that a signal handler raises."""


def reach_the_limit(*_):
    raise SoftLimitError


@pytest.fixture
def limit():
    """Return a function during which a time limit is reached."""
    before = signal.signal(signal.SIGUSR1, reach_the_limit)
    yield lambda *_: signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def test_time_limit_while_the_context_is_read(limit, monkeypatch):
    """It is the application's, and not a context that cannot be read."""
    monkeypatch.setattr(active, "_get_current", limit)
    with pytest.raises(SoftLimitError):
        active.current_context()


def test_time_limit_while_a_key_is_read(limit):
    """Nor a key without a text."""
    with pytest.raises(SoftLimitError):
        text_of(type("Key", (), {"__str__": limit})())
