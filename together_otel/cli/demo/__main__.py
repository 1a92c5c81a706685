"""Run every scenario, show what came of it, and fail if it is not what it should be."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from together_otel.cli.demo import paging
from together_otel.cli.demo.evidence import Evidence, conclude
from together_otel.cli.demo.made_up import MadeUpKeys
from together_otel.cli.demo.report import Paper
from together_otel.cli.demo.scenarios import Scenario, scenarios
from together_otel.cli.demo.worker import Worker
from together_otel.testing.server import TogetherServer
from together_otel.testing.stack import MissingBinary, ProcessDied, Stack, find_binaries

if TYPE_CHECKING:
    from together_otel.testing.stack import Binaries

SERVICE = "together-demo"
"""The service's name, and the job's in Prometheus."""


class Demonstration:
    """One run: the processes, what they left, and the page."""

    def __init__(self) -> None:
        self._keys = MadeUpKeys()
        self._scenarios = scenarios(self._keys)
        self._paper = Paper(self._keys)
        self._found: list[Evidence] = []
        self._captured: dict[str, str] = {}
        self._alert: dict[str, Any] | None = None
        self._faults: list[str] = []

    def run(self) -> int:
        """Return 0 if everything was as it should be, else 1."""
        started = time.monotonic()
        self._paper.line(f"together_otel with together {version('together')}, all on loopback.")
        binaries, left_out = _monitoring()
        try:
            self._play(binaries)
        except (TimeoutError, ProcessDied) as failure:
            self._faults.append(f"{type(failure).__name__}: {failure}")
        else:
            self._report(left_out)
        return self._verdict(time.monotonic() - started)

    def _play(self, binaries: Binaries | None) -> None:
        paper = self._paper
        accepted = [one.key for one in self._scenarios if one.cause is None or one.revoked]
        with ExitStack() as life:
            server = life.enter_context(TogetherServer(keys=accepted))
            workers = [
                life.enter_context(Worker(SERVICE, server, one.variables))
                for one in self._scenarios
            ]
            paper.line(
                f"{len(workers)} processes of the unchanged application start under"
                " opentelemetry-instrument, side by side."
            )
            stack = None
            if binaries is not None:
                target = (SERVICE, workers[-1].address)
                stack = life.enter_context(Stack([target], [paging.RULES], binaries=binaries))
                paper.line("Prometheus and Alertmanager are up, and look at the last of them.")
            for worker in workers[:-1]:
                worker.ask()
            for scenario, worker in zip(self._scenarios[:-1], workers[:-1], strict=True):
                self._conclude(scenario, worker)
            self._revoke(self._scenarios[-1], workers[-1], server, stack)
            if stack is not None:
                self._captured["notifications"] = json.dumps(stack.notifications)

    def _revoke(
        self, scenario: Scenario, worker: Worker, server: TogetherServer, stack: Stack | None
    ) -> None:
        if stack is None:
            worker.ask()
            worker.wait()
            server.revoke(scenario.key)
            worker.ask()
        else:
            paging.serve_until_scraped(worker, stack, SERVICE)
            self._paper.line("      The key of the last is revoked now; waiting for the page …")
            self._alert = paging.revoke_until_paged(worker, server, scenario.key, stack, SERVICE)
        self._conclude(scenario, worker)

    def _conclude(self, scenario: Scenario, worker: Worker) -> None:
        evidence = conclude(scenario, worker)
        self._found.append(evidence)
        self._faults += evidence.faults()
        self._captured[f"{scenario.title}: spans and logs"] = worker.telemetry
        self._captured[f"{scenario.title}: standard error"] = worker.chatter
        self._captured[f"{scenario.title}: metrics"] = evidence.exposition
        causes = ", ".join(evidence.counts) or "no failure"
        number = len(self._found)
        self._paper.line(
            f"[{number}/{len(self._scenarios)}] {scenario.title}: {causes}"
            f" ({evidence.answered} answered, {len(evidence.said)} failed)"
        )

    def _report(self, left_out: str) -> None:
        paper = self._paper
        paper.heading("What the SDK says, and what together_otel says")
        paper.table(self._found)
        paper.paragraph(
            "Counted: by the process's own /metrics. (log): the process died in the client's"
            " constructor before anyone could scrape it; its log record and its span are what"
            " is left, and what is counted here."
        )
        paper.heading("Scraped from the one whose key was revoked (otel_scope_* labels left out)")
        paper.counters(self._found[-1].exposition)
        paper.heading("The page")
        if self._alert is not None:
            paper.alert(self._alert)
        else:
            paper.paragraph(left_out)

    def _verdict(self, seconds: float) -> int:
        if not self._found or not self._found[-1].scraped:
            self._faults.append("counters: expected a scrape of the last process, came nothing")
        if self._alert is not None and "runbook_url" not in self._alert["annotations"]:
            self._faults.append(f"alert: expected a runbook_url, came {self._alert}")
        self._captured["this output"] = self._paper.text
        self._faults += [
            f"keys: expected none to be seen, came one in {name}"
            for name in self._keys.shown_in(self._captured)
        ]
        self._paper.line()
        for fault in self._faults:
            self._paper.line("WRONG  " + self._keys.redact(fault))
        if self._faults:
            return 1
        self._paper.paragraph(
            f"As it should be: {len(self._found)} scenarios, each failure named by its cause and"
            f" counted once, and no key in {len(self._captured)} captured texts of"
            f" {sum(map(len, self._captured.values()))} characters. {seconds:.0f} s."
        )
        return 0


def _monitoring() -> tuple[Binaries | None, str]:
    """Return the programs, or why the part that needs them is left out."""
    what = "Left out: Prometheus, Alertmanager and the alert that they deliver."
    if not paging.RULES.exists():
        return None, f"{what} The rules are in a checkout: {paging.RULES} is not there."
    try:
        return find_binaries(), ""
    except MissingBinary as missing:
        return None, f"{what} {missing}."


def main() -> int:
    """Run the demonstration; return its exit code."""
    return Demonstration().run()


if __name__ == "__main__":
    sys.exit(main())
