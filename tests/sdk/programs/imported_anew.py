"""Imports a client library, or this package, anew; prints what each step recorded, as JSON.

Environment: TOGETHER_API_KEY, which the server refuses, and TOGETHER_BASE_URL. Arguments: the
library; what is imported anew, ``library`` or ``package``; for a reload, its modules in order.
"""

import contextlib
import gc
import importlib
import json
import sys
from types import FunctionType

from together_otel.testing import CapturedTelemetry

library, anew, *order = sys.argv[1:]
telemetry = CapturedTelemetry()
steps = {}


def instrumentor():
    """Return the instrumentor of the package as it is imported now."""
    return importlib.import_module("together_otel.instrumentor").TogetherInstrumentor()


def instrument():
    """Turn it on, with the same providers each time."""
    providers = (telemetry.tracer_provider, telemetry.meter_provider)
    instrumentor().instrument(tracer_provider=providers[0], meter_provider=providers[1])


def client():
    """Make a client of the library as it is imported now."""
    module = importlib.import_module(library)
    return module.Together(max_retries=0) if library == "together" else module.TogetherAI()


def counts():
    """Return what has been recorded so far."""
    events = [log["event_name"] for log in telemetry.logs()]
    return {
        "spans": sum("together.request.outcome" in one["attributes"] for one in telemetry.spans()),
        "requests": int(telemetry.counter("together.client.requests")),
        "failures": int(telemetry.counter("together.client.auth.failures")),
        "events": events.count("together.client.auth_failed"),
        "checks": int(telemetry.counter("together.client.key.checks")),
    }


def step(name, asking=None):
    """Make a call, with a new client unless one is given; note what it added."""
    before = counts()
    used = client() if asking is None else asking
    with contextlib.suppress(Exception):
        if library == "together":
            used.chat.completions.create(
                model="a/model", messages=[{"role": "user", "content": "Hello"}]
            )
        else:
            used.chat("Hello")
    steps[name] = {what: count - before[what] for what, count in counts().items()}
    return used


def drop(package):
    """Forget a package, as test suites and hosts of plugins do."""
    for name in [one for one in sys.modules if one == package or one.startswith(f"{package}.")]:
        del sys.modules[name]
    gc.collect()  # what nothing else holds is gone by the next import


def functions():
    """Return every class attribute of the library as it is imported now."""
    return {
        (id(cls), name): (cls, value)
        for module in [m for n, m in sys.modules.items() if n.partition(".")[0] == library]
        for cls in list(vars(module).values())
        if isinstance(cls, type) and cls.__module__.partition(".")[0] == library
        for name, value in list(vars(cls).items())
    }


def foreign(patched):
    """Return how many of the attributes that are patched at times are not the library's own."""
    found = [
        value
        for (_, name), (cls, value) in functions().items()
        if (cls.__qualname__, name) in patched
    ]
    assert len(found) >= len(patched)
    return sum(type(one) is not FunctionType or hasattr(one, "__wrapped__") for one in found)


step("off", client())
originals = functions()
instrument()
changed = [key for key, (_, now) in functions().items() if now is not originals[key][1]]
patched = {(originals[key][0].__qualname__, key[1]) for key in changed}
assert patched, "nothing was patched"
oldest = step("first")
if anew == "library":
    for name in order:
        importlib.reload(sys.modules[name])
    step("reloaded")
    step("older than the reload", oldest)
    drop(library)
    middle = step("dropped")
    step("older than the drop", oldest)
    drop(library)
    step("dropped twice")
    step("of the import before", middle)
    instrument()
    step("instrumented twice")
    instrumentor().uninstrument()
    drop(library)
    step("off when it is imported")
    instrument()
    step("on again")
else:
    for name in ("together_otel.instrumentor", "together_otel"):
        importlib.reload(sys.modules[name])
    instrument()
    step("reloaded", oldest)
    instrumentor().uninstrument()
    drop("together_otel")
    instrument()
    step("off when it was dropped", oldest)
    drop("together_otel")
    instrument()
    step("on when it was dropped", oldest)
    step("new client")
    drop(library)
    step("new library")
instrumentor().uninstrument()
step("off at the end")
steps["left"] = {
    "old": sum(vars(originals[key][0])[key[1]] is not originals[key][1] for key in changed),
    "new": foreign(patched),
    "watchers": sum(type(one).__module__.startswith("together_otel") for one in sys.meta_path),
}
json.dump(steps, sys.stdout)
