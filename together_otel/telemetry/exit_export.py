"""The last counts of a process that may die before it is scraped: pushed, or left in a file.

On exit they go to a Pushgateway, or into a folder that node_exporter's textfile collector
reads, or both. Neither delays the exit by more than two seconds or makes it fail.
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
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry, generate_latest, pushadd_to_gateway
from prometheus_client.exposition import basic_auth_handler, default_handler
from prometheus_client.registry import Collector

from together_otel import forks
from together_otel.names import SCOPE, is_ours
from together_otel.settings import host_of
from together_otel.telemetry.labels import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.metrics_core import Metric as Family

_log = logging.getLogger(f"{SCOPE}.exit_export")

LIMIT = 2.0
"""Seconds that an exit may be delayed by."""

_ATTEMPT = 1.5
"""Seconds that one step of a push may take."""


def job_name(environ: Mapping[str, str]) -> str:
    """Return what a process is called: its service's name, else its program's."""
    named = environ.get("OTEL_SERVICE_NAME", "").strip()
    if named:
        return named
    for pair in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        name, _, value = pair.partition("=")
        if name.strip() == "service.name" and value.strip():
            return unquote(value.strip())
    return Path(sys.argv[0]).stem.strip("-") or "python"


class Last(Collector):
    """What is left of a process: our families.

    Args:
        source: the families of the process, or of its group.
        labels: added to every sample.
    """

    def __init__(self, source: Collector, labels: Mapping[str, str]) -> None:
        self._source = source
        self._labels = labels

    def collect(self) -> Iterable[Family]:
        """Return the families as they are now."""
        for family in self._source.collect():
            if is_ours(family.name):
                family.samples = [
                    one._replace(labels={**self._labels, **one.labels}) for one in family.samples
                ]
                yield family


class ExitExport:
    """Sends the last counts when the interpreter exits; a forked child leaves it to its parent.

    Args:
        source: what is collected then.
        settle: called before: it ends what is still open.
        gateway: URL of a Pushgateway, of a group in it (``…/metrics/job/NAME/…``), or ``None``.
        folder: where the textfile collector looks, or ``None``.
    """

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
        self._generation = forks.generation
        self._go, self._done = threading.Event(), threading.Event()
        self._wanted = False

    def start(self) -> None:
        """Be ready for the exit."""
        self._wanted = True
        atexit.register(self._exit)
        # Now, as from Python 3.12 on no thread can be started during the exit.
        threading.Thread(target=self._wait, name="together-otel-exit-export", daemon=True).start()

    def stop(self) -> None:
        """Send nothing."""
        self._wanted = False
        atexit.unregister(self._exit)
        self._go.set()

    def _exit(self) -> None:
        if self._generation != forks.generation:
            return
        self._settle()
        self._go.set()
        if not self._done.wait(LIMIT):
            with suppress(Exception):
                _log.warning(
                    "What this process counted is lost: %s did not take it within %g s.",
                    self._host() or self._folder,
                    LIMIT,
                )

    def _wait(self) -> None:
        self._go.wait()
        if self._wanted:
            job = job_name(os.environ)
            # The file first: nothing can keep it waiting.
            if self._folder is not None:
                self._attempt(partial(self._write, job), "TOGETHER_OTEL_TEXTFILE", self._folder)
            if self._gateway is not None:
                self._attempt(partial(self._push, job), "TOGETHER_OTEL_PUSHGATEWAY", self._host())
        self._done.set()

    def _attempt(self, send: Callable[[], None], variable: str, where: str) -> None:
        try:
            send()
        except Exception as exc:  # noqa: BLE001 - whatever it is, the exit goes on
            # By its class where it has no words of its own: its text may repeat the URL.
            why = (
                getattr(exc, "reason", None) or getattr(exc, "strerror", None) or type(exc).__name__
            )
            with suppress(Exception):  # a handler that raises is to keep nothing from the next step
                _log.warning(
                    "What this process counted is lost: %s could not take it (%s). Check %s.",
                    where,
                    clean(str(why), self._credentials()),
                    variable,
                )

    def _credentials(self) -> tuple[str, ...]:
        parts = urlsplit(self._gateway or "")
        return tuple(unquote(part) for part in (parts.username, parts.password) if part)

    def _write(self, job: str) -> None:
        path = textfile(self._folder or "", job)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_own(path, generate_latest(self._registry({"job": job})))

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
        # Added, not put: the application may push metrics of its own to the group.
        pushadd_to_gateway(url, job, self._registry({}), grouping, _ATTEMPT, handler)

    def _registry(self, labels: Mapping[str, str]) -> CollectorRegistry:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Last(self._source, labels))
        return registry

    def _host(self) -> str:
        """Return the gateway's host and port, for a log: its URL may hold a password."""
        return host_of(self._gateway or "")


def textfile(folder: str, job: str) -> Path:
    """Return the file that a job's last counts are left in."""
    return Path(folder) / f"together_otel_{re.sub(r'[^A-Za-z0-9_.-]', '_', job)}.prom"


def replace_own(path: Path, content: bytes) -> None:
    """Write a file at once, in place of one of this user's own or of none.

    Args:
        path: in a folder that others may write to as well.
        content: all of it.

    Raises:
        OSError: when it cannot be written, or something of another user's is there.
    """
    with suppress(FileNotFoundError):
        found = path.lstat()
        if not (stat.S_ISREG(found.st_mode) and found.st_uid == _user()):
            raise FileExistsError(errno.EEXIST, "a file there is not this user's own", str(path))
    # A name that cannot be foreseen, so that nobody can put a link there before.
    fresh, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with open(fresh, "wb") as file:  # noqa: PTH123 - of a descriptor
            file.write(content)
        # The collector that reads it runs as another user; mkstemp lets only this one.
        os.chmod(name, 0o644)  # noqa: PTH101 - of a name
        os.replace(name, path)  # noqa: PTH105 - the same
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0  # as Windows' lstat has it


def target(url: str, job: str) -> tuple[str, str, dict[str, str]]:
    """Return base URL, job and further grouping key of a Pushgateway's URL.

    ``http://host:9091`` is the group of ``job``; ``http://host:9091/metrics/job/NAME/LABEL/VALUE``
    is that one.
    """
    base, found, path = url.rstrip("/").partition("/metrics/job/")
    if not found:
        return base, job, {}
    named, *rest = (unquote(part) for part in path.split("/"))
    return base, named, dict(zip(rest[::2], rest[1::2], strict=False))
