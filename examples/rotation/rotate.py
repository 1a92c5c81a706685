# python examples/rotation/rotate.py
"""A key rotation on three simulated pods; `--forget` leaves one of them out.

Pods are processes of an application that knows nothing of this, under `opentelemetry-instrument`,
each with a secret mounted as Kubernetes mounts it. The server is a stand-in for Together on
loopback; keys are made up.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from together_otel import inspect_key
from together_otel.cli.drill.processes import Process, isolated, variables_of
from together_otel.names import KEY_LAST_ACCEPTED, KEY_VARIABLE
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.server import TogetherServer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

PODS = ("pod-1", "pod-2", "pod-3")


class Volume:
    """A mounted secret: a link through ``..data``, which Kubernetes replaces atomically."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._version = 0
        self.path = folder / "together"
        folder.mkdir()
        self.put(key)
        self.path.symlink_to("..data/together")

    def put(self, key: str) -> None:
        """Mount another key."""
        self._version += 1
        version = self._folder / f"..{self._version}"
        version.mkdir()
        (version / "together").write_text(key, encoding="utf-8")
        link = self._folder / "..new"
        link.symlink_to(version.name)
        link.replace(self._folder / "..data")

    @property
    def variables(self) -> dict[str, str]:
        """Return a pod's environment: its current key, and the source of another one."""
        key = self.path.read_text(encoding="utf-8")
        return {KEY_VARIABLE: key, "TOGETHER_OTEL_RECOVERY": f"file:{self.path}"}


def in_use(pod: Process) -> str:
    """Return the fingerprint of the key that was accepted last, from the pod's metrics."""
    accepted = pod.scrape()[KEY_LAST_ACCEPTED.prometheus]
    labels, _ = max(accepted, key=lambda sample: sample[1])
    return labels["together_api_key_fingerprint"]


def serve(pods: Iterable[Process]) -> list[bool]:
    """Let each pod send a request; return which of them failed."""
    return [pod.ask()["failed"] is not None for pod in pods]


def show(step: str, pods: Iterable[Process]) -> None:
    """Print which key each pod uses."""
    print(f"{step:34}", *(f"{in_use(pod):10}" for pod in pods))


def rotate(forgotten: Collection[str]) -> None:
    """Create a new key, mount it and revoke the old one; print the keys in the pods' metrics."""
    keys = MadeUpKeys()
    old, new = keys.together(), keys.together()
    with ExitStack() as life:
        server = life.enter_context(TogetherServer(keys=[old, new]))
        folder = Path(life.enter_context(tempfile.TemporaryDirectory()))
        volumes = {pod: Volume(folder / pod, old) for pod in PODS}
        pods = {
            pod: life.enter_context(
                Process(isolated("shop", variables_of(server, old) | volume.variables))
            )
            for pod, volume in volumes.items()
        }
        print(f"{'':34}", *(f"{pod:10}" for pod in PODS))
        serve(pods.values())
        show("The new key is made.", pods.values())

        for pod in (pod for pod in PODS if pod not in forgotten):
            volumes[pod].put(new)
            while in_use(pods[pod]) != inspect_key(new).fingerprint:
                serve([pods[pod]])  # a file is checked once a second
        serve(pods.values())
        show("It is mounted beside the old one.", pods.values())

        server.revoke(old)
        failed = serve(pods.values())
        show("The old key is revoked.", pods.values())
        print(f"{'Requests that failed:':34}", *(f"{int(one):<10}" for one in failed))


if __name__ == "__main__":
    rotate(PODS[-1:] if "--forget" in sys.argv else ())
