# python benchmarks/redaction.py
"""Measure the time of redaction: hostile texts of 1 MB, and a refused call with a body of 10 MB.

Times are CPU times of the calling thread, each the shortest of five. Exits with 1 if a text takes
longer than 50 ms, or a refused call 20 ms longer than without the instrumentation.
"""

from __future__ import annotations

import itertools
import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
from together import Together, TogetherError

from together_otel import TogetherInstrumentor
from together_otel.keys import redact
from together_otel.testing import CapturedTelemetry, MadeUpKeys

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 1_000_000
TEXT_LIMIT, CALL_LIMIT = 0.050, 0.020
ROUNDS = 5
UNITS = (
    "authorization='",
    "api_key=" + "\\" * 32 + "'",
    "bearer ",
    "bearer \\'",
    "eyJaaaaaaaa.",
    "sk-",
    "//user:",
    "%2f%2fa",
    "a:b@",
    "…aaaa",
    "\u212a\ud800\0",
)
FILLINGS = ("", " ", "'", "\\", "\\'", "[key]", "a", "@", "*")


def least(work: Callable[[], object]) -> float:
    """Return the shortest CPU time of a function in seconds."""
    times = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        work()
        times.append(time.thread_time() - started)
    return min(times)


def texts(key: str) -> dict[str, str]:
    """Return hostile texts by description. Parts of the key cause a search of the whole text."""
    units = (*UNITS, key[:15] + " ", key[:8] + "***")
    made = {}
    for unit, filling in itertools.product(units, FILLINGS):
        label = f"{unit[:20]!a} and {filling!a}"
        made[f"{label}, again and again"] = (unit + filling) * (SIZE // len(unit + filling))
        if filling:
            made[f"{label} ever after"] = unit + filling * (SIZE // len(filling))
    return made


def refused(key: str, *, instrumented: bool) -> float:
    """Return the CPU time of a refused call whose response repeats part of its key for 10 MB."""
    said = {"message": f"no: {key[:20]} " * (10 * SIZE // 25), "code": "invalid_api_key"}
    body = json.dumps({"error": said}).encode()

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, content=body, headers={"content-type": "application/json"})

    client = Together(
        api_key=key, max_retries=0, http_client=httpx.Client(transport=httpx.MockTransport(answer))
    )

    def ask() -> None:
        try:
            client.chat.completions.create(model="m", messages=[])
        except TogetherError:
            return
        raise AssertionError("accepted")

    if not instrumented:
        return least(ask)
    caught = CapturedTelemetry()
    options: dict[str, Any] = {
        "tracer_provider": caught.tracer_provider,
        "meter_provider": caught.meter_provider,
    }
    TogetherInstrumentor().instrument(**options)
    try:
        return least(ask)
    finally:
        TogetherInstrumentor().uninstrument()


def main() -> int:
    """Measure, print the results and return the exit code."""
    logging.getLogger("together_otel").addHandler(logging.NullHandler())
    logging.getLogger("together_otel").propagate = False
    keys = MadeUpKeys()
    key, other = keys.together(), keys.together()
    made = texts(key)
    took: dict[str, float] = {}
    for number, (label, text) in enumerate(made.items(), 1):
        if sys.stderr.isatty():
            end = "\n" if number == len(made) else ""
            print(f"\r{number} of {len(made)} texts", end=end, file=sys.stderr, flush=True)
        took[label] = least(lambda text=text: redact(text, (key, other)))
    worst = sorted(took.items(), key=lambda one: -one[1])
    print(f"1 MB of hostile text, {len(took)} of them, the slowest:")
    for label, seconds in worst[:5]:
        print(f"  {seconds * 1e3:6.1f} ms  {label}")
    without, with_us = (refused(key, instrumented=on) for on in (False, True))
    print(f"a refused call with 10 MB: {without * 1e3:.1f} ms, with us {with_us * 1e3:.1f} ms")
    return int(worst[0][1] > TEXT_LIMIT or with_us - without > CALL_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
