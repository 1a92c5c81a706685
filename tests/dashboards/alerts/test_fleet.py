"""A week of everyday trouble in a fleet that a program makes up."""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
import yaml
from fleet_series import STEP, Fleet, run_test
from test_alerts import RULES
from world import START, Process

from together_otel import names

MINUTE = 60 // STEP
HOUR = 60 * MINUTE
DAY = 24 * HOUR
OLD, NEW = "01d01d01", "0e0e0e0e"
OPERATION = (names.label_of(names.OPERATION), "chat")
DURATION = names.INFERENCE_DURATION.prometheus
CHAT = (*OPERATION, names.label_of(names.PROVIDER_NAME), names.PROVIDER)
BOUNDS = ("20.48", "40.96", "+Inf")
OTHERWISE = {
    "rate_limited": 0.04,
    "server_error": 0.005,
    "timeout": 0.005,
    "connection_error": 0.005,
    "client_error": 0.05,
    "cancelled": 0.05,
}
"""Outcomes of a healthy instance's fifteen requests between two scrapes."""


@dataclass
class Timed(Process):
    """A process that tells when it began, and how long its successful requests took."""

    clock: int = -START  # the week begins when Prometheus does
    started: int = 0
    buckets: Counter = field(default_factory=Counter)

    def begin(self, tick):
        """Begin again at zero."""
        self.restart()
        self.started = tick * STEP
        self.buckets.clear()

    def made(self, tick, outcome, times=1, *, slow=False):
        """Make requests that end so."""
        self.outcome = outcome
        self.ask(tick * STEP, (), times=times)
        if outcome == "success":
            self.buckets.update(dict.fromkeys(BOUNDS[1:] if slow else BOUNDS, times))

    def put(self, fleet, tick):
        """Note what a scrape shows."""
        super().put(fleet, tick)
        fleet.put(tick, "up", 1, *self.labels)
        fleet.put(tick, "process_start_time_seconds", self.started, *self.labels)
        for bound, count in self.buckets.items():
            fleet.put(tick, f"{DURATION}_bucket", count, *self.labels, *CHAT, "le", bound)
        fleet.put(tick, f"{DURATION}_count", self.buckets["+Inf"], *self.labels, *CHAT)


class Noise:
    """A healthy fleet with what happens in a week; the same week in every run."""

    def __init__(self, ticks):
        self.fleet = Fleet(ticks)
        self._chance = random.Random(20_261_124)  # noqa: S311 - nothing secret
        self._away = {}
        self._pods = [Timed({"job": "web"}, f"web-{number}", OLD) for number in range(3)]
        self._callers = Timed({"job": "callers"}, "callers-0", OLD)
        self._slow = Timed({"job": "slow"}, "slow-0", OLD)
        self._deployed = Timed({"job": "daily"}, "daily-0", OLD)

    def run(self):
        """Return the week's series."""
        for tick in range(self.fleet.ticks):
            self._rotate(tick)
            for one in (*self._pods, self._deployed):
                self._busy(one, tick)
            self._bring_keys(tick)
            if tick % (20 * MINUTE) == 0:
                self._slow.made(tick, "timeout" if tick % (2 * DAY) == 0 else "success")
            for one in (*self._pods, self._callers, self._slow, self._deployed):
                self._scrape(one, tick)
        return self.fleet

    def _one_in(self, number):
        return self._chance.random() * number < 1

    def _rotate(self, tick):
        """Deploy daily; on the fourth day rotate the key of web within twenty minutes."""
        if tick and tick % DAY == 0:
            name = f"daily-{tick // DAY}"
            self._deployed = Timed({"job": "daily"}, name, OLD, started=tick * STEP)
        for number, one in enumerate(self._pods):
            if tick == 3 * DAY + number * 10 * MINUTE:
                one.key = NEW
                one.begin(tick)
            elif self._one_in(3 * DAY):
                one.begin(tick)

    def _some(self, usual):
        """Return a number that is this on average."""
        return int(usual + self._chance.random())

    def _busy(self, one, tick):
        """Ask some sixty times a minute; half an hour of each day is worse than the rest."""
        worse = 30 if tick % DAY > DAY - 30 * MINUTE else 1
        one.made(tick, "success", self._chance.randint(10, 20))
        for outcome, usual in OTHERWISE.items():
            if times := self._some(usual * worse):
                one.made(tick, outcome, times)
        if times := self._some(0.05 * worse):
            one.made(tick, "success", times, slow=True)
        if self._one_in(700):
            # A server that refuses a good key once in about 10,000 requests.
            one.ask(tick * STEP - 2, {one.key}, times=1)
            one.made(tick, "success")

    def _bring_keys(self, tick):
        """Callers bring keys of their own, one in 200 of them a bad one."""
        for _ in range(5):
            bad = self._one_in(200)
            self._callers.key = f"{self._chance.randrange(3):08x}" if bad else OLD
            self._callers.ask(tick * STEP, {self._callers.key} if bad else ())

    def _scrape(self, one, tick):
        """Lose one scrape in 200, and the network to a host for 8 minutes every other day."""
        if self._one_in(2 * DAY):
            self._away[one.labels] = tick + 8 * MINUTE
        if self._away.get(one.labels, 0) > tick or self._one_in(200):
            self.fleet.put(tick, "up", 0, *one.labels)
        else:
            one.put(self.fleet, tick)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_week_of_a_noisy_but_healthy_fleet_pages_nobody(tmp_path):
    """Tickets there are, or it would have been no noise."""

    def ever(severity):
        return (
            "count by (alertname) (sum by (alertname)"
            f' (count_over_time(ALERTS{{alertstate="firing",severity="{severity}"}}[7d])))'
        )

    tickets, week = ["TogetherAuthFailure", "TogetherLatencyHigh"], 7 * 86_400
    expected = [
        (week, ever("page"), []),
        (week, ever("ticket"), [f'{{alertname="{name}"}}' for name in tickets]),
    ]
    groups = yaml.safe_load(RULES.read_text())["groups"]
    run_test(tmp_path, groups, STEP, Noise(7 * DAY).run().inputs(), expected, every=60)
