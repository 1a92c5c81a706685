"""A fork while a thread holds every lock of prometheus_client's files; prints what a scrape shows.

Environment: PROMETHEUS_MULTIPROC_DIR, which exists.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

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
holding, done = threading.Event(), threading.Event()


def hold():
    """Hold what other threads of this process would need."""
    locks = [metrics._files._lock, metrics._lock, metrics.counts._lock]
    for lock in locks:
        lock.acquire()
    holding.set()
    done.wait()
    for lock in locks:
        lock.release()


thread = threading.Thread(target=hold)
thread.start()
holding.wait()
reading, writing = os.pipe()
if (child := os.fork()) == 0:
    signal.alarm(30)  # it may hang in a lock: that is what is tested
    (own,) = FOLDER.glob(f"gauge_livemax_together-{os.getppid()}-*.db")
    own.unlink()  # as if it had ended
    from_child = {"child": shown()}
    times.append(20.0)
    call()
    os.write(writing, json.dumps(from_child).encode())
    os._exit(0)
os.close(writing)
with os.fdopen(reading) as pipe:
    found |= json.load(pipe)
os.waitpid(child, 0)
done.set()
thread.join()
found["after"] = shown()
found["last accepted"] = samples(KEY_LAST_ACCEPTED.prometheus)
json.dump(found, sys.stdout)
