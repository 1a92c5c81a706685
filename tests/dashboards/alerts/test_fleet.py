"""Alerts of fleets that a program makes up: a deploy of 50 pods, and a week of everyday trouble."""

import random

import pytest
import yaml
from fleet_series import STEP, Fleet, run_test
from fleet_target import Target, seconds
from test_alerts import RULES

MINUTE = 60 // STEP
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PODS = 50
OLD, NEW = "01d01d01", "0e0e0e0e"
OTHERWISE = {
    "rate_limited": 0.04,
    "server_error": 0.005,
    "timeout": 0.005,
    "connection_error": 0.005,
    "client_error": 0.05,
    "cancelled": 0.05,
}
"""Outcomes of a healthy instance's fifteen requests between two scrapes."""


def evaluate(folder, fleet, every, *expected):
    """Have Prometheus evaluate the rules: at a time, an expression has samples of these labels."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    run_test(folder, groups, STEP, fleet.inputs(), expected, every=every)


def deploy(cause):
    """Return 50 pods that others replace after ten minutes, within two.

    The old ones have counted failures of long ago; the new ones ask with a cause to be refused
    for, or without one.
    """
    fleet = Fleet(30 * MINUTE)
    old = [Target("shop", f"old-{number}", OLD, -7200) for number in range(PODS)]
    for target in old:
        target.causes["rejected"] = target.outcomes["auth_failure"] = 7
    for tick in range(fleet.ticks):
        replaced = max(0, min(PODS, (tick - 10 * MINUTE) * PODS // (2 * MINUTE)))
        for target in old[replaced:]:
            target.ask(seconds(tick), "success")
            target.scrape(fleet, tick)
        for number in range(replaced):
            begun = 10 * MINUTE + number * 2 * MINUTE // PODS
            target = Target("shop", f"new-{number}", NEW, seconds(begun))
            for at in range(begun, tick + 1):
                target.ask(seconds(at), "auth_failure" if cause else "success", cause=cause)
            target.scrape(fleet, tick)
    return fleet


def test_a_deploy_of_50_pods_is_silent(tmp_path):
    """Counters that end and begin, and a count of old failures, are no news."""
    ever = 'count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[30m]))'
    evaluate(tmp_path, deploy(""), 15, (1800, ever, []))


def test_a_deploy_of_50_pods_with_a_bad_key_is_one_page(tmp_path):
    """Not one a pod, though each was refused before it was first scraped."""
    pages = 'count by (alertname) (ALERTS{alertstate="firing",severity="page"})'
    failing = '{alertname="TogetherAuthFailing"}'
    evaluate(
        tmp_path,
        deploy("rejected"),
        15,
        (600, pages, []),
        (720, pages, [failing]),
        (1500, pages, [failing]),
    )


class Noise:
    """A healthy fleet with what happens in a week; the same week in every run."""

    def __init__(self, ticks):
        self.fleet = Fleet(ticks)
        self._chance = random.Random(20_261_124)  # noqa: S311 - nothing secret
        self._away = {}
        self._pods = [Target("web", f"web-{number}", OLD) for number in range(3)]
        self._callers = Target("callers", "callers-0", OLD)
        self._slow = Target("slow", "slow-0", OLD)
        self._deployed = Target("daily", "daily-0", OLD)

    def run(self):
        """Return the week's series."""
        for tick in range(self.fleet.ticks):
            self._rotate(tick)
            for target in self._pods:
                self._busy(target, tick)
            self._busy(self._deployed, tick)
            self._bring_keys(tick)
            if tick % (20 * MINUTE) == 0:
                self._slow.ask(seconds(tick), "timeout" if tick % (2 * DAY) == 0 else "success")
            for target in (*self._pods, self._callers, self._slow, self._deployed):
                self._scrape(target, tick)
        return self.fleet

    def _one_in(self, number):
        return self._chance.random() * number < 1

    def _rotate(self, tick):
        """Deploy daily; on the fourth day rotate the key of web within twenty minutes."""
        if tick and tick % DAY == 0:
            name = f"daily-{tick // DAY}"
            self._deployed = Target("daily", name, OLD, seconds(tick))
        for number, target in enumerate(self._pods):
            if tick == 3 * DAY + number * 10 * MINUTE:
                target.restart(seconds(tick))
                target.key = NEW
            elif self._one_in(3 * DAY):
                key = target.key
                target.restart(seconds(tick))
                target.key = key

    def _some(self, usual):
        """Return a number that is this on average."""
        return int(usual + self._chance.random())

    def _busy(self, target, tick):
        """Ask some sixty times a minute; half an hour of each day is worse than the rest."""
        at, worse = seconds(tick), 30 if tick % DAY > DAY - 30 * MINUTE else 1
        target.ask(at, "success", self._chance.randint(10, 20))
        for outcome, usual in OTHERWISE.items():
            if times := self._some(usual * worse):
                target.ask(at, outcome, times)
        if times := self._some(0.05 * worse):
            target.ask(at, "success", times, slow=True)
        if self._one_in(700):
            # A server that refuses a good key once in about 10,000 requests.
            target.ask(at - 2, "auth_failure", cause="revoked")
            target.ask(at, "success")

    def _bring_keys(self, tick):
        """Callers bring keys of their own, one in 200 of them a bad one."""
        for _ in range(5):
            bad = self._one_in(200)
            self._callers.key = f"{self._chance.randrange(3):08x}" if bad else OLD
            self._callers.ask(seconds(tick), "auth_failure" if bad else "success")

    def _scrape(self, target, tick):
        """Lose one scrape in 200, and the network to a host for 8 minutes every other day."""
        where = (target.job, target.instance)
        if self._one_in(2 * DAY):
            self._away[where] = tick + 8 * MINUTE
        if self._away.get(where, 0) > tick or self._one_in(200):
            target.miss(self.fleet, tick)
        else:
            target.scrape(self.fleet, tick)


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
    evaluate(
        tmp_path,
        Noise(7 * DAY).run(),
        60,
        (week, ever("page"), []),
        (week, ever("ticket"), [f'{{alertname="{name}"}}' for name in tickets]),
    )
