"""A server of several processes, started as its user would, and what a scrape of it shows."""

import os
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from processes import PATIENCE
from prometheus_client.parser import text_string_to_metric_families

from together_otel.telemetry.http_endpoint import HttpEndpoint

BIN = Path(sys.executable).parent
PROGRAMS = Path(__file__).parent / "programs"


class Endpoint(HttpEndpoint):
    """The endpoint of metrics, and whether and where it serves."""

    def wait(self, patience):
        """Return whether this process serves within so many seconds."""
        return self._serving.wait(patience)

    @property
    def address(self):
        """Host and port, ``None`` while another process serves."""
        return self._server.server_address[:2] if self._serving.is_set() else None


def eventually(holds, patience=PATIENCE):
    """Wait until something holds.

    Raises:
        TimeoutError: when it does not within so many seconds.
    """
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("it never came to be")
        time.sleep(0.02)


def get(port, path="/", headers=None, host="127.0.0.1"):
    """Return the body that a port of this machine answers with, ``None`` when it does not."""
    connection = HTTPConnection(host, port, timeout=20)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        answer = connection.getresponse()
        body = answer.read().decode()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
    return body if answer.status == 200 else None


def samples(scrape):
    """Return a scrape's samples by name."""
    found = {}
    for family in text_string_to_metric_families(scrape or ""):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def total(scrape, name, **labels):
    """Return the sum of a metric's samples that have these labels."""
    return sum(
        value for found, value in samples(scrape).get(name, ()) if labels.items() <= found.items()
    )


def successes(scrape):
    """Return how many requests a scrape tells of."""
    return total(scrape, "together_client_requests_total", together_request_outcome="success")


def alive(pid):
    """Tell whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ask(times, port, scrape_port):
    """Make requests; return the processes that answered, and what scrapes in between counted."""
    pids = set()
    counted = []
    for number in range(times):
        pid = get(port)
        assert pid, number
        pids.add(int(pid))
        if number % 10 == 9:
            counted.append(successes(get(scrape_port, "/metrics")))
    return pids, counted


class Running:
    """One process that may start others, and its output.

    Its standard input is open until it is stopped: those that it leaves behind can go by that.

    Args:
        command: program and arguments; a program of our environment by its name alone.
        environment: on top of a bare one.
        folder: where it runs and what it writes is kept.
    """

    def __init__(self, command, environment, folder):
        program, *arguments = command
        self._output = (folder / "output.txt").open("w+b")
        self.process = subprocess.Popen(
            [str(BIN / program), *arguments],
            cwd=PROGRAMS,
            env={
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "PYTHONPATH": str(PROGRAMS),
                "TOGETHER_NO_BANNER": "1",
                "TMPDIR": str(folder),
                "XDG_RUNTIME_DIR": str(folder),  # for gunicorn's control socket
                "OTEL_TRACES_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
                "OTEL_METRICS_EXPORTER": "none",
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def output(self):
        """Return what was printed so far."""
        self._output.flush()
        return Path(self._output.name).read_text(encoding="utf-8", errors="replace")

    def until(self, holds):
        """Wait until something holds; its output says why it does not.

        Raises:
            AssertionError: when it never does, or when the process ends.
        """

        def holds_or_is_dead():
            return holds() or self.process.poll() is not None

        try:
            eventually(holds_or_is_dead)
        except TimeoutError as exc:
            raise AssertionError(self.output()) from exc
        assert holds(), self.output()

    def finish(self):
        """End its standard input, and return the exit status that this leads to."""
        self._end_input()
        return self.process.wait(PATIENCE)

    def stop(self):
        """End it in the usual way; by force if that does not do."""
        self._end_input()
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(PATIENCE)
        finally:
            self._output.close()

    def _end_input(self):
        assert self.process.stdin is not None
        self.process.stdin.close()
