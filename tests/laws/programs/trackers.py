"""Failures of all kinds, and what an error tracker shows of the frames of this package.

The argument is the tracker: ``sentry`` (its default settings), ``stacks`` (it attaches stacks to
what is logged, from INFO on) or ``rich``. Prints as JSON where parts of a key are shown, and how
many variables of this package were looked at.
"""

import json
import logging
import os
import secrets
import sys
from collections import defaultdict

import sentry_sdk
from application import (
    CHUNK,
    MODES,
    OURS,
    REFUSAL,
    Application,
    Telemetry,
    accepted,
    drive,
    off,
    refused,
    streaming,
    unsent,
)
from rich.traceback import Traceback
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

TRACKER = sys.argv[1]
EVENTS = []
SECRETS = []
"""What no frame may show, of the case at hand."""


class Sink(Transport):
    def capture_envelope(self, envelope):
        EVENTS.extend(item.payload.json for item in envelope.items if item.type == "event")


def new(prefix="tgp_" + "v1_"):
    """Return a key that nobody owns."""
    SECRETS.append(secrets.token_hex(22)[1:])
    return prefix + SECRETS[-1]


def bearer(end=""):
    return {"Authorization": f"Bearer {new()}{end}"}


def shows(text):
    return any(one[n : n + 8] in text for one in SECRETS for n in range(len(one) - 7))


# ── what fails ───────────────────────────────────────────────────────────────────────

CALLS = {
    "refused": ([refused], ""),
    "newline": ([unsent], "\n"),
    "no ASCII": ([accepted], "é"),
    "stream refused": ([refused], ""),
    "stream with an error": ([streaming(CHUNK, REFUSAL)], ""),
    "refused once": ([refused, accepted], ""),
}
WAYS = {
    "argument": lambda client, end: client(api_key=new() + end),
    "environment": lambda client, end: client(api_key=in_environment(new() + end)),
    "header": lambda client, end: client(api_key=new(), default_headers=bearer(end)),
    "copy": lambda client, end: client(api_key=new()).with_options(api_key=new() + end),
    "copied header": lambda client, end: client(api_key=new()).with_options(
        default_headers=bearer(end)
    ),
    "recovery": lambda client, end: client(api_key=new() + end),
}


def in_environment(key, name="TOGETHER_API_KEY"):
    os.environ[name] = key


def cases(app):
    """Yield title, options of the instrumentation, and a coroutine that is to fail."""

    async def call(title, way, answers, end):
        client = WAYS[way](lambda **options: app.client(*answers, **options), end)
        if title.startswith("stream"):
            await app.read(client)
        else:
            await app.chat(client, extra_headers=bearer() if way == "call's header" else None)

    WAYS["call's header"] = WAYS["argument"]
    for title, case in CALLS.items():
        for way in WAYS:
            options = {"recovery": new} if way == "recovery" else {}
            yield f"{title}, {way}", options, call(title, way, *case)

    async def construct(**options):
        app.client(accepted, **options)

    wrong = {"base_url": "http://[::1"}
    yield "address", {}, construct(api_key=new(), **wrong)
    yield "address, header", {}, construct(default_headers=bearer(), **wrong)
    for preflight in ("warn", "raise"):
        options = {"preflight": preflight}
        yield f"other provider, {preflight}", options, construct(api_key=new("sk-" + "proj-"))
        yield f"newline, {preflight}", options, construct(api_key=new() + "\n")
        short = in_environment(new()[:-9])
        yield f"variable, {preflight}", options, construct(api_key=short)
        other = in_environment(new(), "TOGETHER_TOKEN")
        yield f"other variable, {preflight}", options, construct(api_key=other)
        yield f"recovery, {preflight}", {"recovery": new, **options}, construct(api_key=None)


# ── what a tracker shows ─────────────────────────────────────────────────────────────


def of_sentry(_exc):
    for event in EVENTS:
        stacks = [*event.get("exception", {}).get("values", ())]
        stacks += event.get("threads", {}).get("values", ())
        frames = [one for stack in stacks for one in (stack.get("stacktrace") or {})["frames"]]
        for frame in frames:
            if frame["abs_path"].startswith(OURS):
                for name, value in frame["vars"].items():
                    yield f"{frame['filename']}:{frame['function']} {name}", json.dumps(value)
        if event.get("logger", "").startswith("together_otel"):
            yield "event", json.dumps([event.get(name) for name in ("logentry", "extra")])
    EVENTS.clear()


def of_rich(exc):
    if exc is None:
        return
    given = type(exc), exc, exc.__traceback__
    bounds = {"locals_max_length": None, "locals_max_string": None}
    for stack in Traceback.extract(*given, show_locals=True, **bounds).stacks:
        for frame in stack.frames:
            if frame.filename.startswith(OURS):
                for name, node in (frame.locals or {}).items():
                    yield f"{frame.filename.removeprefix(OURS)}:{frame.name} {name}", str(node)


def error_of(case, mode):
    with sentry_sdk.isolation_scope():
        try:
            drive(case, mode)
        except Exception as exc:  # noqa: BLE001 - the application's error handler
            sentry_sdk.capture_exception(exc)
            return exc
    return None


if TRACKER != "rich":
    options = {}
    if TRACKER == "stacks":
        options["integrations"] = [LoggingIntegration(event_level=logging.INFO)]
        options["attach_stacktrace"] = True
    sentry_sdk.init("http://public@127.0.0.1/1", transport=Sink, **options)
shown, looked = defaultdict(list), 0
for mode in MODES:
    before = dict(os.environ)
    for title, options, case in cases(Application(mode)):
        Telemetry().instrument(**options)
        error = error_of(case, mode)
        off()
        for place, text in (of_rich if TRACKER == "rich" else of_sentry)(error):
            looked += 1
            if shows(text):
                shown[place].append(f"{title}, {mode}")
        SECRETS.clear()
        os.environ.clear()
        os.environ.update(before)
print(json.dumps({"shown": shown, "looked": looked}))  # noqa: T201 - to the test
