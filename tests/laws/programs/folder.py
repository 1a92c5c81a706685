"""Calls in prometheus_client's multiprocess mode, whose folder fails as the first argument says.

The second is how often each is made. Prints as JSON what the application got, and what was
logged and traced of failed keys.
"""

import json
import logging
import os
import resource
import shutil
import sys
from collections import Counter
from pathlib import Path

from application import (
    CHUNK,
    REFUSAL,
    Application,
    Telemetry,
    accepted,
    drive,
    off,
    refused,
    streaming,
)

FAULT, TIMES = sys.argv[1], int(sys.argv[2])
FOLDER = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
NOBODY = 65534


def break_folder():
    if FAULT == "gone":
        shutil.rmtree(FOLDER)
    elif FAULT == "another user's" and os.getuid():
        FOLDER.chmod(0o555)
    elif FAULT == "another user's":
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    elif FAULT == "too many files":
        opened = len(list(Path("/proc/self/fd").iterdir())) - 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (opened, opened))
    elif FAULT == "files too large":
        resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, 70_000))


app = Application("sync")
good, bad = app.client(accepted), app.client(refused)
stream = app.client(streaming(CHUNK, REFUSAL))


def calls(model):
    """Make calls of all kinds; return what each gave."""

    def given(ask):
        try:
            return type(ask()).__name__
        except Exception as exc:  # noqa: BLE001 - which is reported
            return type(exc).__name__

    return [
        given(lambda: drive(app.chat(good, model=model), "sync")),
        given(lambda: drive(app.chat(bad, model=model), "sync")),
        given(lambda: drive(app.read(stream), "sync")),
        given(lambda: app.client(accepted, api_key=None)),
    ]


# What is imported late is there already, and no file of metrics is but those of the start.
os.environ["TOGETHER_OTEL_METRICS"] = "otel"
Telemetry().instrument()
calls("first")
off()
os.environ["TOGETHER_OTEL_METRICS"] = "prometheus"
telemetry = Telemetry()
logging.getLogger().addHandler(telemetry.handler)
telemetry.instrument()
break_folder()
got = Counter(one for number in range(TIMES) for one in calls(f"model-{number}"))
reported = telemetry.failures()
reported.pop("count")  # of OpenTelemetry's meter
print(json.dumps({"got": got, **reported}))  # noqa: T201 - to the test
