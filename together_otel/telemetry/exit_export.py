"""Export of metrics at exit, for processes that may end before they are scraped.

The metrics are pushed to a Pushgateway, written into a folder that node_exporter's textfile
collector reads, or both. Neither delays the exit by more than two seconds or makes it fail.
"""

from __future__ import annotations

import atexit
import errno
import logging
import os
import re
import stat
import sys
import tempfile
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry, generate_latest, pushadd_to_gateway
from prometheus_client.exposition import basic_auth_handler, default_handler

from together_otel import forks
from together_otel.guard import warn
from together_otel.names import SCOPE, is_ours
from together_otel.settings import host_of
from together_otel.telemetry.labels import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.metrics_core import Metric as Family
    from prometheus_client.registry import Collector

_log = logging.getLogger(f"{SCOPE}.exit_export")

LIMIT = 2.0
"""Maximum delay of an exit, in seconds."""

_ATTEMPT = 1.5  # timeout of each network operation of a push, in seconds


def resource_in(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the resource attributes that are set in an environment."""
    texts = environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")
    pairs = (text.partition("=") for text in texts)
    return {unquote(name.strip()): unquote(value.strip()) for name, _, value in pairs if name}


def job_name(environ: Mapping[str, str]) -> str:
    """Return the job name of a process: the name of its service, else of its program."""
    named = environ.get("OTEL_SERVICE_NAME", "").strip()
    if named := named or resource_in(environ).get("service.name", ""):
        return named
    program = Path(sys.argv[0] if sys.argv else "")
    if program.stem == "__main__":  # of a package that is run by ``python -m``
        program = program.parent
    return program.stem.strip("-") or "python"


class Last(CollectorRegistry):
    """Collects this package's metrics from another collector and adds labels to each sample."""

    def __init__(self, source: Collector, labels: Mapping[str, str]) -> None:
        super().__init__()
        self._source, self._labels = source, labels

    def collect(self) -> Iterable[Family]:
        """Return the current families."""
        for family in self._source.collect():
            if is_ours(family.name):
                family.samples = [
                    one._replace(labels={**self._labels, **one.labels}) for one in family.samples
                ]
                yield family


class ExitExport:
    """Exports the metrics when the interpreter exits, but not in forked children.

    ``settle`` is called before the export, to end open calls. ``gateway`` is the URL of a
    Pushgateway or of a group in it (``…/metrics/job/NAME/…``), ``folder`` is the textfile
    collector's.
    """

    _last: ClassVar[ExitExport | None] = None

    def __init__(
        self,
        source: Collector,
        settle: Callable[[], None],
        *,
        gateway: str | None,
        folder: str | None,
    ) -> None:
        self._source = source
        self._settle = settle
        self._gateway, self._folder = gateway, folder
        # For the log, as the URL may contain a password.
        self._host = host_of(gateway or "")
        self._generation = forks.generation
        self._go, self._done = threading.Event(), threading.Event()
        self._wanted = False

    def start(self) -> None:
        """Register the export at exit, in place of the one that was started before."""
        if (before := ExitExport._last) is not None:
            before._cancel()  # noqa: SLF001 - same class
        ExitExport._last, self._wanted = self, True
        # Now, because since Python 3.12 no thread can be started during the exit.
        threading.Thread(target=self._wait, name="together-otel-exit-export", daemon=True).start()
        atexit.register(self._exit)

    def stop(self) -> None:
        """Keep the export: a job may turn the instrumentation off before it ends."""

    def _cancel(self) -> None:
        self._wanted = False
        atexit.unregister(self._exit)
        self._go.set()

    def _exit(self) -> None:
        if self._generation != forks.generation:
            return
        try:
            self._settle()
        finally:
            self._go.set()
        if not self._done.wait(LIMIT):
            warn(
                _log,
                "The last counts of this process are lost: %s did not accept them within %g s.",
                self._host or self._folder,
                LIMIT,
            )

    def _wait(self) -> None:
        self._go.wait()
        if self._wanted:
            job = job_name(os.environ)
            # The file first, as it does not depend on the network.
            if self._folder is not None:
                self._attempt(partial(self._write, job), "TOGETHER_OTEL_TEXTFILE", self._folder)
            if self._gateway is not None:
                self._attempt(partial(self._push, job), "TOGETHER_OTEL_PUSHGATEWAY", self._host)
        self._done.set()

    def _attempt(self, send: Callable[[], None], variable: str, where: str) -> None:
        try:
            send()
        except Exception as exc:  # noqa: BLE001 - must not disturb the exit
            # A reason or its class, but not its text, which may repeat the URL.
            found = getattr(exc, "reason", None) or getattr(exc, "strerror", None)
            warn(
                _log,
                "The last counts of this process are lost: %s did not accept them (%s). Check %s.",
                where,
                clean(str(found or type(exc).__name__), self._credentials()),
                variable,
            )

    def _credentials(self) -> tuple[str, ...]:
        parts = urlsplit(self._gateway or "")
        return tuple(unquote(part) for part in (parts.username, parts.password) if part)

    def _write(self, job: str) -> None:
        path = textfile(self._folder or "", job)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_own(path, generate_latest(Last(self._source, {"job": job})))

    def _push(self, job: str) -> None:
        url, job, grouping = target(self._gateway or "", job)
        parts = urlsplit(url)
        handler: Any = default_handler
        if parts.username is not None:
            handler = partial(
                basic_auth_handler,
                username=unquote(parts.username),
                password=unquote(parts.password or ""),
            )
            url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        # Add, not put: the application may push metrics of its own to the same group.
        pushadd_to_gateway(url, job, Last(self._source, {}), grouping, _ATTEMPT, handler)


def textfile(folder: str, job: str) -> Path:
    """Return the path of a job's textfile."""
    return Path(folder) / f"together_otel_{re.sub(r'[^A-Za-z0-9_.-]', '_', job)}.prom"


def replace_own(path: Path, content: bytes) -> None:
    """Write a file atomically; replace an existing one only if it belongs to this user.

    Other users may write to its folder.

    Raises:
        OSError: if it cannot be written, or the path exists and is not a file of this user.
    """
    with suppress(FileNotFoundError):
        found = path.lstat()
        user = getattr(os, "geteuid", lambda: 0)()  # ``st_uid`` is 0 on Windows
        if not (stat.S_ISREG(found.st_mode) and found.st_uid == user):
            why = "a file with this name belongs to another user"
            raise FileExistsError(errno.EEXIST, why, str(path))
    # An unpredictable name, so that other users cannot create a link there in advance.
    fresh, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with open(fresh, "wb") as file:  # noqa: PTH123 - of a descriptor
            file.write(content)
        # The textfile collector runs as another user; mkstemp permits only this one to read it.
        os.chmod(name, 0o644)  # noqa: PTH101 - a string, not a Path
        os.replace(name, path)  # noqa: PTH105 - a string, not a Path
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def target(url: str, job: str) -> tuple[str, str, dict[str, str]]:
    """Return base URL, job and further grouping key of a Pushgateway's URL.

    ``http://host:9091`` is the group of ``job``; ``http://host:9091/metrics/job/NAME/LABEL/VALUE``
    specifies the group itself.
    """
    base, found, path = url.rstrip("/").partition("/metrics/job/")
    if not found:
        return base, job, {}
    named, *rest = (unquote(part) for part in path.split("/"))
    return base, named, dict(zip(rest[::2], rest[1::2], strict=False))
