"""A real Prometheus and Alertmanager on loopback, with a webhook that receives notifications.

For end-to-end tests of rules, dashboards and notifications::

    with Stack([("shop", "127.0.0.1:9464")], rules=[Path("alerts.yaml")]) as stack:
        stack.wait_for('up{job="shop"} == 1')
        alert = stack.wait_for_notification(lambda alert: alert["labels"]["job"] == "shop")

The programs are not part of this package; `find_binaries` finds installed ones.
"""

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from together_otel.testing.fetch import fetch
from together_otel.testing.programs import (
    OK,
    PATIENCE,
    POLL,
    Binaries,
    MissingBinary,
    ProcessDied,
    Program,
    find_binaries,
    relocated,
)

__all__ = ["Binaries", "MissingBinary", "ProcessDied", "Stack", "find_binaries"]


class Stack:
    """Context manager that runs Prometheus, Alertmanager and a webhook.

    Uses free ports of 127.0.0.1, and a temporary folder for data and configuration that is removed
    at the end.

    Args:
        targets: scrape targets as pairs of job and ``"host:port"``; the path is ``/metrics``.
        rules: files of alerting and recording rules.
        interval: scrape interval and rule evaluation interval in seconds.
        group_wait: seconds that Alertmanager waits before it sends a notification of a new alert.
        binaries: the programs; by default those that `find_binaries` returns.
    """

    def __init__(
        self,
        targets: Sequence[tuple[str, str]],
        rules: Sequence[Path] = (),
        *,
        interval: float = 1.0,
        group_wait: float = 0.0,
        binaries: Binaries | None = None,
    ) -> None:
        self.notifications: list[dict[str, Any]] = []
        """All webhook notifications received so far, as parsed JSON."""
        self._targets = list(targets)
        self._rules = [str(file.resolve()) for file in rules]
        self._interval = interval
        self._group_wait = group_wait
        self._binaries = binaries
        self._arrived = threading.Condition()
        self._life = ExitStack()
        self._running: list[Program] = []

    def __enter__(self) -> "Stack":  # noqa: PYI034 - Self needs 3.11 or another package
        """Start everything, wait until it is ready, and return itself.

        Raises:
            MissingBinary: if a program cannot be found.
            ProcessDied: if one exits at once, for example because a rule does not parse.
            TimeoutError: if one is not ready within 30 s.
        """
        binaries = self._binaries or find_binaries()
        with ExitStack() as life:
            root = life.enter_context(tempfile.TemporaryDirectory(prefix="together-otel-stack-"))
            url = life.enter_context(_webhook(self._received))
            homes = [Path(root, name) for name in ("alertmanager", "prometheus")]
            for home in homes:
                home.mkdir()
            alertmanager = Program(
                relocated(binaries.alertmanager, homes[0]),
                homes[0],
                self._alertmanager_config(url),
                ("--storage.path=data", "--cluster.listen-address="),
            )
            life.enter_context(alertmanager)
            config = self._prometheus_config(alertmanager.address)
            prometheus = Program(
                binaries.prometheus, homes[1], config, ("--storage.tsdb.path=data",)
            )
            life.enter_context(prometheus)
            self._running = [prometheus, alertmanager]
            self._life = life.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running = []
        self._life.close()

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the instant vector of an expression: ``[{"metric": labels, "value": [time, text]}]``.

        Raises:
            ValueError: if Prometheus rejects the expression.
            ProcessDied: if Prometheus is no longer running.
        """
        answer = self._prometheus(f"query?{urlencode({'query': expr})}")
        if answer["status"] != "success":
            raise ValueError(f"{answer.get('error')} in: {expr}")
        result: list[Any] = answer["data"]["result"]
        if answer["data"]["resultType"] in {"scalar", "string"}:
            return [{"metric": {}, "value": result}]
        return result

    def alerts(self) -> list[dict[str, Any]]:
        """Return Prometheus's alerts: ``[{"labels", "annotations", "state", "activeAt", "value"}]``.

        The state is ``"pending"`` or ``"firing"``.

        Raises:
            ProcessDied: if Prometheus is no longer running.
        """
        found: list[dict[str, Any]] = self._prometheus("alerts")["data"]["alerts"]
        return found

    def wait_for(
        self,
        expr: str,
        predicate: Callable[[list[dict[str, Any]]], object] = bool,
        timeout: float = PATIENCE,
    ) -> list[dict[str, Any]]:
        """Query until the result satisfies the predicate (by default: is not empty) and return it.

        Raises:
            TimeoutError: if it does not within ``timeout`` seconds; contains the last result.
            ValueError: if Prometheus rejects the expression.
            ProcessDied: if a process exits meanwhile.
        """
        deadline = time.monotonic() + timeout
        while True:
            found = self.query(expr)
            if predicate(found):
                return found
            self._check()
            if time.monotonic() >= deadline:
                raise TimeoutError(f"after {timeout:g} s, {expr} is {found}")
            threading.Event().wait(POLL)

    def wait_for_notification(
        self, predicate: Callable[[dict[str, Any]], object], timeout: float = PATIENCE
    ) -> dict[str, Any]:
        """Wait for the first alert received by the webhook that satisfies the predicate; return it.

        An alert is ``{"status", "labels", "annotations", "startsAt", "endsAt", …}``.

        Raises:
            TimeoutError: if none does within ``timeout`` seconds; contains Prometheus's alerts.
            ProcessDied: if a process exits meanwhile.
        """
        deadline = time.monotonic() + timeout
        with self._arrived:
            while True:
                for notification in self.notifications:
                    for alert in notification["alerts"]:
                        if predicate(alert):
                            return dict(alert)
                self._check()
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._arrived.wait(min(left, 1.0))
        states = [(alert["labels"], alert["state"]) for alert in self.alerts()]
        raise TimeoutError(
            f"no such notification after {timeout:g} s; {len(self.notifications)} came,"
            f" and Prometheus's alerts are {states}"
        )

    def _received(self, notification: dict[str, Any]) -> None:
        with self._arrived:
            self.notifications.append(notification)
            self._arrived.notify_all()

    def _check(self) -> None:
        for program in self._running:
            program.check()

    def _prometheus(self, what: str) -> dict[str, Any]:
        if not self._running:
            raise RuntimeError("the stack is not running")
        try:
            found = fetch(f"http://{self._running[0].address}/api/v1/{what}", limit=PATIENCE)
        except (OSError, HTTPException):
            self._check()
            raise
        answer: dict[str, Any] = json.loads(found.body)
        return answer

    def _prometheus_config(self, alertmanager: str) -> dict[str, Any]:
        jobs: dict[str, list[str]] = {}
        for job, target in self._targets:
            jobs.setdefault(job, []).append(target)
        interval = _duration(self._interval)
        return {
            "global": {
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "evaluation_interval": interval,
            },
            "rule_files": self._rules,
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": targets}]}
                for job, targets in jobs.items()
            ],
        }

    def _alertmanager_config(self, webhook: str) -> dict[str, Any]:
        return {
            "route": {
                "receiver": "webhook",
                # "..." groups by all labels, so that no alert waits for another's group.
                "group_by": ["..."],
                "group_wait": _duration(self._group_wait),
                "group_interval": _duration(self._interval),
                "repeat_interval": "1h",
            },
            "receivers": [{"name": "webhook", "webhook_configs": [{"url": webhook}]}],
        }


@contextmanager
def _webhook(received: Callable[[dict[str, Any]], None]) -> Iterator[str]:
    """Serve a webhook for Alertmanager's notifications; yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(OK)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
            """Do not log requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
