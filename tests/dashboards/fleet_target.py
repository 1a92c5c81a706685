"""A process as Prometheus sees it: the few facts that the rules look at."""

from collections import Counter
from dataclasses import dataclass, field

from fleet_series import STEP

from together_otel import names

OPERATION = names.label_of(names.OPERATION)
OUTCOME = names.label_of(names.REQUEST_OUTCOME)
DURATION = names.INFERENCE_DURATION.prometheus
CHAT = (OPERATION, "chat", names.label_of(names.PROVIDER_NAME), names.PROVIDER)
BOUNDS = ("20.48", "40.96", "+Inf")


@dataclass
class Target:
    """One instance of a job.

    ``started`` is a moment as its metric tells it; what it counts begins at zero then.
    """

    job: str
    instance: str
    key: str
    started: float = 0
    outcomes: Counter[str] = field(default_factory=lambda: Counter(success=0, auth_failure=0))
    causes: Counter[str] = field(
        default_factory=lambda: Counter({"unknown": 0, "revoked": 0, "rejected": 0, "missing": 0})
    )
    buckets: Counter[str] = field(default_factory=Counter)
    failed: dict[str, float] = field(default_factory=dict)
    succeeded: float | None = None
    accepted: dict[str, float] = field(default_factory=dict)
    refused: dict[str, float] = field(default_factory=dict)

    def restart(self, at):
        """Begin again at zero."""
        fresh = Target(self.job, self.instance, self.key, at)
        self.__dict__.update(fresh.__dict__)

    def ask(self, at, outcome, times=1, *, cause="rejected", slow=False):
        """Count requests; those with a refused key are counted by their cause too."""
        self.outcomes[outcome] += times
        if outcome == "auth_failure":
            self.causes[cause] += times
            self.failed[cause] = self.refused[self.key] = at
        elif outcome == "success":
            self.succeeded = self.accepted[self.key] = at
            for bound in BOUNDS[1:] if slow else BOUNDS:
                self.buckets[bound] += times

    def scrape(self, fleet, tick):
        """Note what one scrape shows."""
        of = ("job", self.job, "instance", self.instance)
        fleet.put(tick, "up", 1, *of)
        fleet.put(tick, "process_start_time_seconds", self.started, *of)
        fleet.put_keys(tick, self, *of)
        for outcome, count in self.outcomes.items():
            labels = (OPERATION, "chat", OUTCOME, outcome)
            fleet.put(tick, names.REQUESTS.prometheus, count, *of, *labels)
        for bound, count in self.buckets.items():
            fleet.put(tick, f"{DURATION}_bucket", count, *of, *CHAT, "le", bound)
        fleet.put(tick, f"{DURATION}_count", self.buckets["+Inf"], *of, *CHAT)

    def miss(self, fleet, tick):
        """Note a scrape that failed."""
        fleet.put(tick, "up", 0, "job", self.job, "instance", self.instance)


def seconds(tick):
    """Return the time of a scrape."""
    return float(tick * STEP)
