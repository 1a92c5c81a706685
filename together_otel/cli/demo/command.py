"""``together-otel demo``: runs a drill of every cause and shows and checks the results."""

import argparse
import json
import shutil
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from subprocess import SubprocessError
from typing import Any, Final

from together_otel.cli.demo.applications import APPLICATIONS, Run, run_application
from together_otel.cli.demo.evidence import Evidence
from together_otel.cli.demo.report import Output
from together_otel.cli.doctor.installation import SDK, missing
from together_otel.cli.doctor.ports import OTEL_HOST, OTEL_PORT, Port
from together_otel.cli.drill.environment import environment
from together_otel.cli.drill.processes import PATIENCE, Process, isolated
from together_otel.cli.drill.runner import Runner
from together_otel.cli.drill.scenarios import scenario_of
from together_otel.cli.export.files import files, write_files
from together_otel.cli.output import paint
from together_otel.cli.parsing import CANNOT_WORK, GOOD, Parser, write_json
from together_otel.names import CAUSES, Cause
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.ports import free_port
from together_otel.testing.stack import Binaries, MissingBinary, Stack, find_binaries

JOB: Final = "together-demo"
"""Name of the service, and of the job in Prometheus."""
PAGED: Final[Cause] = "revoked"
"""The cause whose page is shown."""
ALERT: Final = "TogetherAuthFailing"
"""The alert to wait for; others may fire for the same failure."""

_AT_ONCE: Final = 2
"""Processes that run at the same time, besides the one that Prometheus scrapes."""


HELP = "show every cause, and the page that a revoked key leads to"
DESCRIPTION = """\
Shows the main job on this machine: a drill of every cause, what the SDK says
beside what together_otel says, and, where Prometheus and Alertmanager are
installed, the page that a revoked key leads to. No real key is used.
"""
EPILOG = """\
exit codes: 0 all is correct; 1 something is wrong; 2 something that it needs is
missing; 64 the arguments are invalid

examples:
  together-otel demo
  together-otel demo --clients .venv-demo/bin/python
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--clients",
        metavar="PYTHON",
        help="a Python with openai, LiteLLM and this package, to show applications of both too",
    )


def run(parser: Parser, options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    if why := missing():
        return parser.give_up(why)
    if options.clients is not None and shutil.which(options.clients) is None:
        parser.refuse(f"--clients {options.clients} is not a program: expected a Python")
    return Demonstration(as_json=options.json, clients=options.clients).run()


class Demonstration:
    """Runs a drill of each cause, and shows the page."""

    def __init__(self, *, as_json: bool, clients: str | None) -> None:
        self._clients = clients
        self._runs: list[Run] = []
        self._keys = MadeUpKeys()
        self._as_json = as_json
        self._found: list[Evidence] = []
        self._alert: dict[str, Any] | None = None
        self._left_out = ""
        self._output = Output(self._keys, silent=as_json)
        self._captured: dict[str, str] = {}
        self._faults: list[str] = []

    def run(self) -> int:
        """Run the demonstration; return 0 if everything is correct, else 1."""
        started = time.monotonic()
        self._output.line(
            f"together_otel with together {version(SDK)}: a drill of each cause, on loopback."
        )
        try:
            self._run()
            self._show()
        except (OSError, RuntimeError, SubprocessError) as failure:
            self._faults.append(f"{type(failure).__name__}: {failure}")
        return self._verdict(time.monotonic() - started)

    def _run(self) -> None:
        ended = threading.Event()
        port = _free()
        binaries: Binaries | None = None
        try:
            binaries = find_binaries()
        except MissingBinary as exc:
            self._left_out = f"Left out: Prometheus, Alertmanager and the alert. {exc}."
        with ExitStack() as life:
            # Called last and also on errors, after the drill has been ended.
            pool = ThreadPoolExecutor(_AT_ONCE + 1)
            life.callback(pool.shutdown, cancel_futures=True)
            life.callback(ended.set)
            paged = pool.submit(self._drill, PAGED, port, PATIENCE if binaries else 0.0, ended)
            drills = [pool.submit(self._drill, cause) for cause in CAUSES if cause != PAGED]
            others = [
                pool.submit(run_application, one, self._clients, self._keys)
                for one in APPLICATIONS
                if self._clients is not None
            ]
            if binaries is not None:
                self._alert = self._page(binaries, port)
            ended.set()
            for drill in (*drills, paged):
                self._found.append(evidence := drill.result())
                self._output.line(
                    f"[{len(self._found)}/{len(CAUSES)}] {evidence.cause}:"
                    f" {evidence.outcome.failed} failed, {evidence.outcome.accepted} accepted"
                )
            self._runs = [one.result() for one in others]

    def _show(self) -> None:
        output, found, alert = self._output, self._found, self._alert
        self._faults += [fault for evidence in found for fault in evidence.faults()]
        self._faults += [fault for one in self._runs for fault in one.faults()]
        output.heading("What the SDK says, and what together_otel says")
        output.table(found)
        if self._runs:
            output.heading("Applications without the SDK")
            for one in self._runs:
                client, ran = one.application.client, one.found
                self._captured[f"{client}: emitted"] = ran.pop("emitted", "")
                output.paragraph(one.application.title, client)
                output.paragraph(self._keys.redact(str(ran.get("said"))), "error")
                output.paragraph(
                    f"{', '.join(ran.get('causes', ()))}. {ran.get('remedy')}", "diagnosis"
                )
        output.heading(f"Scraped from the last, {PAGED} (otel_scope_* labels left out)")
        output.counters(found[-1].outcome.samples)
        output.heading("The page")
        if alert is None:
            output.paragraph(self._left_out)
        else:
            output.alert(alert)
            if "runbook_url" not in alert["annotations"]:
                self._faults.append(f"alert: expected a runbook_url, found {alert}")

    def _drill(
        self,
        cause: Cause,
        port: Port | None = None,
        duration: float = 0.0,
        ended: threading.Event | None = None,
    ) -> Evidence:
        port = port or _free()
        with (
            tempfile.TemporaryDirectory(prefix="together-otel-") as folder,
            scenario_of(cause, self._keys) as scenario,
        ):
            environ = environment(isolated(JOB, {}), cause, port, folder)
            with Process({**environ, **scenario.variables}) as process:
                runner = Runner(cause, scenario, process, duration, lambda _: None)
                if runner.check():
                    runner.run(port, ended or threading.Event())
        self._captured[f"{cause}: spans and logs"] = "".join(process.output)
        self._captured[f"{cause}: standard error"] = "".join(process.errors)
        self._captured[f"{cause}: metrics"] = str(runner.outcome.samples)
        return Evidence(cause, scenario, runner.outcome, process.records())

    def _page(self, binaries: Binaries, port: Port) -> dict[str, Any]:
        """Wait for the page for the revoked key and return its alert."""

        def is_it(alert: dict[str, Any]) -> bool:
            labels = alert["labels"]
            return (labels["alertname"], labels.get("job")) == (ALERT, JOB)

        with tempfile.TemporaryDirectory(prefix="together-otel-") as folder:
            rules = files(["rules"])
            write_files(rules, Path(folder))
            paths = [Path(folder, one.path) for one in rules]
            target = (JOB, f"{port.host}:{port.number}")
            with Stack([target], paths, binaries=binaries) as stack:
                self._output.line("Prometheus and Alertmanager look at one whose key is revoked …")
                alert = stack.wait_for_notification(is_it, PATIENCE)
                self._captured["notifications"] = json.dumps(stack.notifications)
        return alert

    def _verdict(self, seconds: float) -> int:
        self._captured["this output"] = self._output.text
        self._faults += [
            f"keys: expected none, found one in {name}"
            for name in self._keys.shown_in(self._captured)
        ]
        if self._as_json:
            write_json(
                {
                    "causes": [evidence.as_json() for evidence in self._found],
                    "applications": {one.application.client: one.found for one in self._runs},
                    "alert": self._alert,
                    "faults": self._faults,
                }
            )
        self._output.line()
        for fault in self._faults:
            self._output.line(f"{paint('WRONG', 'bad')}  {self._keys.redact(fault)}")
        if self._faults:
            return CANNOT_WORK
        self._output.paragraph(
            f"All correct: {len(CAUSES)} causes, each failure counted once with its cause, and no"
            f" key in {len(self._captured)} captured texts of"
            f" {sum(map(len, self._captured.values()))} characters. {seconds:.0f} s."
        )
        return GOOD


def _free() -> Port:
    return Port("127.0.0.1", free_port(), OTEL_HOST, OTEL_PORT)
