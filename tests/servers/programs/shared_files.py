"""A fork while a thread holds every lock of prometheus_client's files; prints what a scrape shows.

Environment: PROMETHEUS_MULTIPROC_DIR, which exists.
"""

import json
import os
import sys
from pathlib import Path

from forking import holding, in_child
from prometheus_client import CollectorRegistry

from together_otel.names import KEY_INFO, KEY_LAST_ACCEPTED, REQUESTS
from together_otel.telemetry.metrics import KeyUse
from together_otel.telemetry.multiprocess import Group
from together_otel.telemetry.prometheus import PrometheusMetrics
from together_otel.telemetry.value_files import ProcessFiles

FOLDER = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])

registry = CollectorRegistry()
metrics = PrometheusMetrics(registry, files=ProcessFiles(FOLDER))
times = [10.0]
metrics.keys_in_use = lambda: [KeyUse("0123abcd", "tgp_v1", "argument", times[-1], None)]


def call():
    """Count a call and the acceptance of its key."""
    metrics.add((REQUESTS, ("chat", "success"), 1))
    metrics.keys_changed(at_once=False)


def samples(name):
    """Return the values of a family that a scrape shows."""
    return [
        sample.value
        for family in Group(FOLDER).collect()
        for sample in family.samples
        if sample.name == name
    ]


def shown():
    """Return successes, and what is said of the key."""
    successes, key = samples(REQUESTS.prometheus), samples(KEY_INFO.prometheus)
    return {"successes": sum(successes), "key": key}


call()
found = {"before": shown()}


def child():
    """Return what a child shows that has counted nothing yet; then it makes a call."""
    (own,) = FOLDER.glob(f"gauge_livemax_together-{os.getppid()}-*.db")
    own.unlink()  # as if it had ended
    at_first = shown()
    times.append(20.0)
    call()
    return at_first


with holding(metrics._files._lock, metrics._lock, metrics.counts._lock):
    found["child"] = in_child(child)
    os.wait()
found["after"] = shown()
found["last accepted"] = samples(KEY_LAST_ACCEPTED.prometheus)
json.dump(found, sys.stdout)
