"""Program that `trial` runs under ``opentelemetry-instrument`` to report what is set up.

It writes JSON into the file that its argument names, and exits without exporting, so that no
backend receives telemetry of this process.
"""

import importlib.util
import json
import os
import sys
from importlib import import_module
from inspect import getattr_static
from pathlib import Path
from typing import Any

from opentelemetry import _logs, metrics, trace

from together_otel import TogetherInstrumentor
from together_otel.calls import senders
from together_otel.calls.conflicts import warn_of_conflicts
from together_otel.calls.patches import is_patch
from together_otel.calls.targets import TARGETS
from together_otel.cli.doctor.switches import heard
from together_otel.names import SCOPE


def report() -> dict[str, Any]:
    """Return what is set up in this process."""
    # Client libraries that are quickly imported; frameworks call Together by one of these.
    http = {one.module.partition(".")[0] for one in senders.SENDERS}
    for library in ("together", "together_ai", "openai", *sorted(http)):
        if importlib.util.find_spec(library) is not None:
            import_module(library)
    places = [(one.module, one.attribute) for one in TARGETS]
    places += [(one.module, one.attribute) for one in senders.SENDERS]
    with heard(f"{SCOPE}.instrumentor") as others:
        warn_of_conflicts(set())
    return {
        "instrumented": TogetherInstrumentor().is_instrumented_by_opentelemetry,
        "patched": sum(_is_patched(*place) for place in places),
        "providers": {
            "metrics": _is_set(metrics.get_meter_provider()),
            "traces": _is_set(trace.get_tracer_provider()),
            "logs": _is_set(_logs.get_logger_provider()),
        },
        "others": others,
    }


def _is_patched(module: str, attribute: str) -> bool:
    for alternative in attribute.split("|"):
        found: Any = sys.modules.get(module)
        for name in alternative.split("."):
            found = getattr_static(found, name, None)
        code = getattr(found, "__code__", None)
        if is_patch(found) or getattr(code, "co_filename", None) == senders.__file__:
            return True
    return False


def _is_set(provider: object) -> bool:
    """Return whether a provider is not OpenTelemetry's default one."""
    module = type(provider).__module__
    return module.startswith("opentelemetry.sdk.") or not module.startswith("opentelemetry.")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(report()), encoding="utf-8")
    os._exit(0)
