"""What a process pays that is instrumented and has nothing to do with Together."""

import json
import sys

import pytest
from processes import run_to_end

from together_otel.calls.imports import MODULES
from together_otel.calls.targets import TARGETS

LOADED = {
    "together_otel.calls",
    "together_otel.calls.arguments",
    "together_otel.calls.imports",
    "together_otel.calls.interrupts",
    "together_otel.calls.open_calls",
    "together_otel.calls.places",
    "together_otel.calls.senders",
    "together_otel.clients",
    "together_otel.clients.host_checks",
    "together_otel.calls.originals",
    "together_otel.calls.proxies",
    "together_otel.forks",
    "together_otel.guard",
    "together_otel.instrumentor",
    "together_otel.keys",
    "together_otel.keys.formats",
    "together_otel.keys.hosts",
    "together_otel.keys.known",
    "together_otel.keys.reader",
    "together_otel.keys.redaction",
    "together_otel.keys.secret",
    "together_otel.keys.shapes",
    "together_otel.keys.writings",
    "together_otel.names",
    "together_otel.settings",
    "together_otel.plain.bounded",
    "together_otel.plain.clocks",
    "together_otel.plain.installed",
    "together_otel.plain.spelling",
    "together_otel.telemetry",
    "together_otel.telemetry.backend_choice",
    "together_otel.telemetry.counts",
    "together_otel.telemetry.deferred",
    "together_otel.telemetry.events",
    "together_otel.telemetry.labels",
    "together_otel.telemetry.log_lines",
    "together_otel.telemetry.log_records",
    "together_otel.telemetry.measured",
    "together_otel.telemetry.metrics",
    "together_otel.telemetry.otel",
    "together_otel.telemetry.otel_series",
    "together_otel.telemetry.recorder",
    "together_otel.telemetry.request_metrics",
}
"""What `instrument()` may load of this package while no client library is imported.

Not the adapters, what patches with, recovery, the check of keys, nor prometheus_client's backend.
"""

PROGRAM = """
import json, sys
import opentelemetry.sdk.trace, opentelemetry.sdk.metrics, opentelemetry.sdk._logs
import opentelemetry.instrumentation.instrumentor
before = set(sys.modules)
import together_otel
imported = set(sys.modules) - before
together_otel.instrument()
instrumented = set(sys.modules) - before - imported
print(json.dumps([sorted(imported), sorted(instrumented)]))
"""


@pytest.mark.parametrize("before", ["", "import httpx, requests, aiohttp"], ids=["none", "HTTP"])
def test_what_is_loaded_without_a_client_library(before):
    """Nor where there are HTTP libraries, as in most processes: only a request to Together loads it."""
    program = before + PROGRAM
    done = run_to_end([sys.executable, "-c", program], check=True)
    imported, instrumented = json.loads(done.stdout)
    assert imported == ["together_otel", "together_otel.plain", "together_otel.plain.lazy"]
    assert {name for name in instrumented if name.startswith("together_otel")} <= LOADED
    others = {name.partition(".")[0] for name in instrumented} - sys.stdlib_module_names
    assert others == {"together_otel", "opentelemetry"}


def test_the_modules_that_are_watched_are_those_of_the_targets():
    assert {target.module for target in TARGETS} == MODULES
