"""Compare the telemetry of this and other instrumentations for the same calls.

    python benchmarks/compare.py --json benchmarks/compare.json && python tools/readme.py

Each instrumentation is installed in its newest release in its own environment, turned on as its
documentation says, and observes the same calls of the same SDK to the same server. Its spans,
metrics and log records are captured by OpenTelemetry's in-memory exporters. ``--only NAME``
compares one instrumentation with this package.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, metrics, trace
from peers import PEERS

from together_otel.testing import CapturedTelemetry, MadeUpKeys, TogetherServer, behaviours

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
OURS = "together_otel"
SDK = "3.1.1"
UNAUTHORIZED = 401
FAILS = "does not start"
MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}


def captured() -> CapturedTelemetry:
    """Return telemetry that captures what the global providers get."""
    telemetry = CapturedTelemetry()
    trace.set_tracer_provider(telemetry.tracer_provider)
    metrics.set_meter_provider(telemetry.meter_provider)
    _logs.set_logger_provider(telemetry.logger_provider)
    return telemetry


def probe(name: str) -> dict[str, str]:
    """Turn one instrumentation on in this process and return facts about its telemetry."""
    seen = captured()
    try:
        importlib.import_module(OURS).instrument() if name == OURS else PEERS[name].turn_on()
    except ImportError as error:
        return {FAILS: str(error)}
    import together  # noqa: PLC0415 - after the instrumentation, as in an application

    facts: dict[str, str] = {}
    keys = MadeUpKeys()
    key, leaky, echoed = keys.together(), keys.together(), keys.together()

    def says(fact: str, found: object) -> None:
        facts[fact] = "yes" if found else "no"

    with TogetherServer(keys=[key]) as server:

        def made(key: str | None, retries: int = 0) -> Any:
            return together.Together(api_key=key, base_url=server.url, max_retries=retries)

        client = made(key, retries=1)

        def spans_of(call: Callable[[], object]) -> list[Any]:
            before = len(seen.finished_spans())
            with contextlib.suppress(Exception):  # some calls are meant to fail
                call()
            return list(seen.finished_spans()[before:])

        async def asynchronous() -> None:
            async with together.AsyncTogether(api_key=key, base_url=server.url) as other:
                await other.chat.completions.create(**ASKED)

        chat = spans_of(lambda: client.chat.completions.create(**ASKED))
        says("A chat is a span", chat)
        says(
            "… named by the GenAI conventions, `chat MODEL`",
            any(s.name == f"chat {MODEL}" for s in chat),
        )
        says(
            "… with tokens as `gen_ai.usage.input_tokens`",
            any("gen_ai.usage.input_tokens" in s.attributes for s in chat),
        )
        says(
            "… without the prompt, unless asked for",
            chat and "Hello" not in "".join(s.to_json() for s in chat),
        )
        says("An async chat is a span", spans_of(lambda: asyncio.run(asynchronous())))
        stream = spans_of(lambda: list(client.chat.completions.create(**ASKED, stream=True)))
        says("A stream is a span", stream)
        says(
            "… with the time to its first chunk",
            "first_chunk" in "".join(s.to_json() for s in stream) + str(seen.metrics())
            or "first_token" in str(seen.metrics()),
        )
        says(
            "Embeddings are a span",
            spans_of(lambda: client.embeddings.create(model=MODEL, input="Hello")),
        )
        says("A list of files is a span", spans_of(client.files.list))
        server.script(behaviours.server_error())
        retried = spans_of(lambda: client.chat.completions.create(**ASKED))
        says(
            "A retry of the SDK is on its span",
            "resend_count" in "".join(s.to_json() for s in retried),
        )

        server.revoke(key)
        refused = spans_of(lambda: client.chat.completions.create(**ASKED))
        says(
            "A refused call is a span with status ERROR",
            any(s.status.status_code.name == "ERROR" for s in refused),
        )
        says(
            "… that says HTTP 401",
            any(s.attributes.get("http.response.status_code") == UNAUTHORIZED for s in refused),
        )
        says("… and that the key was revoked", "revoked" in seen.everything())
        says(
            "A metric counts authentication failures",
            "auth" in str(seen.metrics()) and "fail" in str(seen.metrics()),
        )

        before = seen.everything()
        with contextlib.suppress(Exception):
            made(None)
        says("A client without a key is reported", len(seen.everything()) > len(before) + 100)

        spans_of(lambda: made(leaky + "\n").chat.completions.create(**ASKED))
        says("A key that ends in a newline stays out of telemetry", leaky not in seen.everything())
        server.always(behaviours.echo_key())
        spans_of(lambda: made(echoed).chat.completions.create(**ASKED))
        says(
            "A key that the server repeats stays out of telemetry", echoed not in seen.everything()
        )
    return facts


def compare(name: str) -> dict[str, Any]:
    """Run one instrumentation in its own environment and return its version and facts."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "bin" / "python"
        # The server is imported by path: this package's requirements must not limit peers' releases.
        package = ROOT if name == OURS else PEERS[name].distribution
        wanted = [f"together=={SDK}", "opentelemetry-sdk", package]
        for command in (
            [sys.executable, "-m", "venv", folder],
            [python, "-m", "pip", "install", "--quiet", *wanted],
        ):
            subprocess.run(command, check=True)
        done = subprocess.run(
            [python, __file__, "--probe", name],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Compare, print the table and save it with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=sorted(PEERS), help="compare this one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the table there")
    parser.add_argument("--probe", choices=[OURS, *PEERS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe:
        name = options.probe
        facts = probe(name)
        distribution = "together-otel" if name == OURS else PEERS[name].distribution
        print(json.dumps({"version": version(distribution), "facts": facts}))
        return
    names = [OURS, *([options.only] if options.only else PEERS)]
    found = {name: compare(name) for name in names}
    header = ["", *(f"{name} {found[name]['version']}" for name in names)]
    cells = [
        [fact, *(found[name]["facts"].get(fact, FAILS) for name in names)]
        for fact in found[OURS]["facts"]
    ]
    for row in (header, *cells):
        print(" | ".join(row))
    if options.json:
        saved = {"header": header, "cells": cells, "together": SDK}
        options.json.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
