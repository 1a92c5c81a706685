# python benchmarks/pager.py
"""Measure the time from the first refused request to the page at the webhook.

A real Prometheus scrapes and evaluates every 15 s. A real Alertmanager has a group_wait of 5 s, as
in dashboards/alertmanager/alertmanager.yaml. Each job is a separate application under
opentelemetry-instrument, with its own key for a server on loopback, that sends a request every
two seconds. Its key is revoked at a random time. A single refusal does not page: that takes a
second one in a later scrape, with no success in between. One Prometheus measures all jobs in
parallel.

Exits with 1 if the slowest page took longer than a minute.
"""

import argparse
import random
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from together_otel.cli.drill.processes import Process, isolated, variables_of
from together_otel.names import REQUEST_OUTCOME, REQUESTS, label_of
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.programs import CHECKOUT
from together_otel.testing.server import TogetherServer
from together_otel.testing.stack import Stack

RULES = CHECKOUT / "dashboards" / "prometheus" / "alerts.yaml"
INTERVAL = 15.0
"""Scrape interval and evaluation interval in seconds."""
GROUP_WAIT = 5.0
LIMIT = 60.0
PATIENCE = 300.0
PACE = 2.0
"""Seconds between two requests of a job."""


@dataclass(frozen=True)
class Job:
    """An application and its key."""

    name: str
    key: str
    process: Process


def measure(job: Job, server: TogetherServer, stack: Stack, delay: float) -> tuple[float, str]:
    """Revoke a job's key after ``delay`` seconds; return the seconds to the page and its alert."""
    for _ in range(round(delay / PACE)):
        job.process.ask()
        threading.Event().wait(PACE)
    server.revoke(job.key)
    asked = time.monotonic()

    def is_it(alert: dict[str, dict[str, str]]) -> bool:
        labels = alert["labels"]
        return (labels.get("job"), labels.get("severity")) == (job.name, "page")

    while time.monotonic() - asked < PATIENCE:
        if job.process.ask()["failed"] is None:
            raise RuntimeError(f"{job.name} was to be refused, and was not")
        try:
            alert = stack.wait_for_notification(is_it, PACE)
        except TimeoutError:
            continue
        return time.monotonic() - asked, alert["labels"]["alertname"]
    raise TimeoutError(f"no page of {job.name}")


def run(times: int, interval: float, seed: int) -> list[tuple[float, str]]:
    """Measure ``times`` jobs in parallel."""
    keys = MadeUpKeys()
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    names = [f"job-{number:02d}" for number in range(times)]
    own = {name: keys.together() for name in names}
    with ExitStack() as life:
        server = life.enter_context(TogetherServer(keys=list(own.values())))
        jobs = [
            Job(name, key, life.enter_context(Process(isolated(name, variables_of(server, key)))))
            for name, key in own.items()
        ]
        for job in jobs:
            job.process.ask()
        targets = [(job.name, job.process.address) for job in jobs]
        stack = life.enter_context(
            Stack(targets, [RULES], interval=interval, group_wait=GROUP_WAIT)
        )
        succeeded = f'{REQUESTS.prometheus}{{{label_of(REQUEST_OUTCOME)}="success"}} > 0'
        stack.wait_for(f"count({succeeded}) == {times}", timeout=PATIENCE)
        delays = [chance.uniform(0, 2 * interval) for _ in jobs]
        with ThreadPoolExecutor(times) as pool:
            return list(
                pool.map(lambda job, delay: measure(job, server, stack, delay), jobs, delays)
            )


def main() -> int:
    """Print each measurement, the median and the slowest."""
    parser = argparse.ArgumentParser(description="seconds from a refused request to the pager")
    parser.add_argument("--times", type=int, default=10, help="jobs, measured side by side")
    parser.add_argument("--interval", type=float, default=INTERVAL, help="of scrapes and rules")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of revocation")
    options = parser.parse_args()
    found = run(options.times, options.interval, options.seed)
    for number, (seconds, alert) in enumerate(found, start=1):
        print(f"{number:3} {seconds:6.1f} s  {alert}")
    took = [seconds for seconds, _ in found]
    print(f"median {statistics.median(took):.1f} s, worst of {len(took)} {max(took):.1f} s")
    return int(max(took) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
