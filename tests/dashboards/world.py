"""A world of services with keys that die, as Prometheus sees it: input of promtool's rule tests."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from fleet_series import Fleet

from together_otel import names

Way = Literal["scraped", "otlp", "pushed"]

OPERATION = names.label_of(names.OPERATION)
OUTCOME = names.label_of(names.REQUEST_OUTCOME)
BEAT = 5
"""Seconds between two moments at which something may happen."""
START = 120
"""Prometheus' time when the world begins: promtool's own begins at 0, which is "never" in the rules."""


@dataclass
class Process:
    """One process of a service: what it asks with, and what it has counted.

    Attributes:
        service: labels that every series of it has, ``instance`` aside.
        instance: its name.
        key: fingerprint of what it asks with; empty where it has no key.
        every: seconds between two requests.
        times: requests at once.
        clock: seconds that its clock is ahead.
        way: how its metrics get to Prometheus.
        alive: whether it runs.
        configured: whether Prometheus has it as a target.
        outcome: of requests whose key is accepted.
        cause: of its failures, whatever its key.
    """

    service: dict[str, str]
    instance: str
    key: str = "0a1b2c3d"
    every: int = BEAT
    times: int = 1
    clock: int = 0
    way: Way = "scraped"
    alive: bool = True
    configured: bool = True
    outcome: str = "success"
    cause: str = ""
    asked: int = -(10**9)
    outcomes: Counter[str] = field(default_factory=lambda: Counter(success=0, auth_failure=0))
    causes: Counter[str] = field(default_factory=lambda: Counter(unknown=0))
    failed: dict[str, int] = field(default_factory=dict)
    succeeded: int | None = None
    accepted: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def labels(self):
        pairs = {**self.service, "instance": self.instance}
        return tuple(part for pair in pairs.items() if pair[1] for part in pair)

    def ask(self, now, dead, key=None, times=None):
        """Make requests with a key, its own by default."""
        key = self.key if key is None else key
        times = self.times if times is None else times
        at = now + self.clock + START
        if key and key not in dead and not self.cause:
            self.outcomes[self.outcome] += times
            if self.outcome == "success":
                self.succeeded = self.accepted[key] = at
            return
        cause = (
            self.cause or ("revoked" if key in self.accepted else "rejected") if key else "missing"
        )
        self.causes[cause] += times
        self.failed[cause] = at
        if key:
            self.outcomes["auth_failure"] += times
            self.refused[key] = at

    def restart(self):
        """Begin again at zero, under the same name."""
        fresh = Process(self.service, self.instance, self.key)
        for name in ("outcomes", "causes", "failed", "succeeded", "accepted", "refused"):
            setattr(self, name, getattr(fresh, name))
        self.alive = True

    def put(self, fleet, tick):
        """Note what a scrape shows."""
        of = self.labels
        fleet.put_keys(tick, self, *of)
        for outcome, count in self.outcomes.items():
            fleet.put(tick, names.REQUESTS.prometheus, count, *of, OUTCOME, outcome)


class World:
    """Processes over some hours, scraped all so many seconds."""

    def __init__(self, hours, step):
        self.step = step
        self.end = int(hours * 3600)
        self.fleet = Fleet((START + self.end) // step)
        self.processes = []
        self.dead = set()
        self.script = {}
        self.lag = 0
        self.always = []

    def add(self, job="shop", instance="a", **given):
        """Add a process; labels of its service are ``cluster`` and ``namespace``."""
        service = {
            "cluster": str(given.pop("cluster", "")),
            "namespace": str(given.pop("namespace", "")),
            "job": job,
        }
        process = Process(service, instance, **given)  # type: ignore[arg-type]
        self.processes.append(process)
        return process

    def many(self, number, job="shop", **given):
        """Add processes that differ by their instance."""
        return [self.add(job, f"{job}-{place}", **given) for place in range(number)]

    def at(self, minutes, act):
        """Have something happen."""
        self.script.setdefault(round(minutes * 60 / BEAT) * BEAT, []).append(act)

    def change(self, minutes, process, *, restart=False, **attributes):
        """Have attributes of a process change, after a restart of it or without."""

        def act():
            if restart:
                process.restart()
            vars(process).update(attributes)

        self.at(minutes, act)

    def turn(self, minutes, process, *, on):
        """Have a process begin or end, as a target too."""
        self.change(minutes, process, alive=on, configured=on)

    def kill(self, minutes, *keys):
        """Have keys die."""
        self.at(minutes, lambda: self.dead.update(keys))

    def run(self):
        """Return the series, as ``input_series`` of a test."""
        for now in range(0, self.end, BEAT):
            for act in self.script.get(now, ()):
                act()
            for always in self.always:
                always(now)
            for process in self.processes:
                if process.alive and process.every and now - process.asked >= process.every:
                    process.asked = now
                    process.ask(now, self.dead)
            if now % self.step == 0:
                self._scrape((START + now) // self.step)
        unmarked = {f'instance="{one.instance}"' for one in self.processes if one.way != "scraped"}
        series = self.fleet.inputs()
        for one in series:
            # What is pushed has no markers of stale series.
            if any(instance in one["series"] for instance in unmarked):
                one["values"] = one["values"].replace("stale", "_")
        return series

    def _scrape(self, tick):
        for process in self.processes:
            if process.alive or process.way == "pushed":
                process.put(self.fleet, tick)
            if process.way == "scraped" and process.configured:
                self.fleet.put(tick, "up", int(process.alive), *process.labels)
