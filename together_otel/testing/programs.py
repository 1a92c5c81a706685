"""Programs of a monitoring stack: how to find them and how to run each as a process."""

import json
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from together_otel.testing.fetch import fetch
from together_otel.testing.ports import free_port

CHECKOUT = Path(__file__).resolve().parents[2]
"""Root of the checkout, if the package is used from one."""

OK = 200
POLL = 0.05
"""Seconds between two polls."""
PATIENCE = 30.0
"""Default timeout in seconds."""
_TAIL = 20
_DATA = Path("/usr/share/prometheus/alertmanager")
_TEMPLATES = ("default.tmpl", "email.tmpl")


class MissingBinary(RuntimeError):  # noqa: N818 - the name says what is missing
    """Prometheus or Alertmanager is not installed. The message says how to install it."""


class ProcessDied(RuntimeError):  # noqa: N818 - the name says what happened
    """Prometheus or Alertmanager exited unexpectedly. The message contains the end of its log."""


@dataclass(frozen=True)
class Binaries:
    """Paths of the two programs."""

    prometheus: Path
    alertmanager: Path


def find_binaries() -> Binaries:
    """Find both programs in ``.tools/usr/bin`` of the checkout, then on PATH.

    Raises:
        MissingBinary: if one of them is in neither.
    """
    return Binaries(_find("prometheus"), _find("prometheus-alertmanager", "alertmanager"))


def _find(*names: str) -> Path:
    for folder in (str(CHECKOUT / ".tools" / "usr" / "bin"), None):
        for name in names:
            if (found := shutil.which(name, path=folder)) is not None:
                return Path(found)
    raise MissingBinary(
        f"{names[-1]} is neither in .tools/usr/bin nor on PATH: run tools/fetch_prometheus.sh"
        f" in a checkout of together_otel, or install Prometheus and Alertmanager"
    )


def relocated(alertmanager: Path, folder: Path) -> Path:
    """Return an Alertmanager binary that runs with ``folder`` as its working directory.

    Debian's binary opens its templates by an absolute path, which does not exist if the package
    was unpacked but not installed. In that case, return a copy that opens them in ``folder``.
    """
    unpacked = alertmanager.resolve().parent.parent.parent / _DATA.relative_to("/")
    if _DATA.exists() or not all((unpacked / name).exists() for name in _TEMPLATES):
        return alertmanager
    absolute = bytes(_DATA)
    # The same length, as a compiled program refers to its strings by position and length.
    here = b"./" * (len(absolute) // 2)
    for name in _TEMPLATES:
        shutil.copy(unpacked / name, folder)
    copy = folder / alertmanager.name
    copy.write_bytes(alertmanager.read_bytes().replace(absolute, here))
    copy.chmod(0o700)
    return copy


class Program:
    """Context manager that runs a program with its own folder, port and log."""

    def __init__(
        self, binary: Path, folder: Path, config: dict[str, Any], flags: tuple[str, ...]
    ) -> None:
        self._binary = binary
        self._folder = folder
        self._flags = flags
        self.address: str = f"127.0.0.1:{free_port()}"
        # JSON is valid YAML.
        (folder / "config.yml").write_text(json.dumps(config))

    def __enter__(self) -> "Program":  # noqa: PYI034 - Self needs 3.11 or another package
        """Start the program, wait until it is ready, and return itself."""
        address = f"--web.listen-address={self.address}"
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a known program
                [self._binary, "--config.file=config.yml", address, *self._flags],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raise `ProcessDied` if the process has exited."""
        if (code := self._process.poll()) is not None:
            raise ProcessDied(f"{self._binary.name} ended with code {code}:\n{self._tail()}")

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._ready():
            self.check()
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{self._binary.name} is not ready:\n{self._tail()}")
            threading.Event().wait(POLL)

    def _ready(self) -> bool:
        try:
            return fetch(f"http://{self.address}/-/ready").status == OK
        except (OSError, HTTPException):
            return False

    def _tail(self) -> str:
        lines = (self._folder / "log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-_TAIL:])
