"""A mounted secret that is rotated: its clients use the new key before the old one is refused."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from generation import GENERATION, Sdk, leaks, made_up_key
from recovering import (
    BAD,
    Answers,
    Clock,
    event,
    events,
    instrument,
    keys_sent,
    outcomes,
    searches,
    watched,
)

from together_otel import recovery
from together_otel.recovery import retry
from together_otel.recovery.replacements import REPLACEMENTS
from together_otel.testing.server import TogetherServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from together_otel.testing.telemetry import CapturedTelemetry

NEW = made_up_key("W")


class Volume:
    """A secret as Kubernetes mounts it: the file is a link through ``..data``, which is swapped."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._version = 0
        self.path = folder / "together"
        self.put(key)
        self.path.symlink_to("..data/together")

    def source(self) -> recovery.Source:
        """Return a source of it, which is looked at before every call."""
        return watched(self.path, Clock(step=1.0))

    def put(self, text: str) -> None:
        """Let the file hold something else, at one stroke."""
        self._version += 1
        version = self._folder / f"..{self._version}"
        version.mkdir()
        (version / "together").write_text(text)
        link = self._folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self._folder / "..data")


@pytest.fixture
def server(key: str) -> Iterator[TogetherServer]:
    """A server that accepts two keys: they overlap."""
    with TogetherServer(keys=[key, NEW]) as running:
        yield running


@pytest.fixture
def volume(tmp_path: Path, key: str) -> Volume:
    """A mounted secret."""
    return Volume(tmp_path, f"{key}\n")


def test_a_rotation_is_noticed_before_the_old_key_is_refused(
    sdk: Sdk, server: TogetherServer, key: str, volume: Volume, telemetry: CapturedTelemetry
) -> None:
    """No request is refused; one log event says that the key was changed, without it."""
    instrument(telemetry, volume.source())
    client = sdk.client(api_key=key)
    relative = client.with_options(timeout=5) if GENERATION > 1 else client
    sdk.chat(client)
    volume.put(NEW)
    sdk.chat(client)
    sdk.chat(relative)
    server.revoke(key)
    sdk.chat(client)
    sdk.chat(sdk.client(api_key=key))  # of a variable, say, that is as old as the process

    assert keys_sent(server) == [key, NEW, NEW, NEW, NEW]
    assert outcomes(telemetry) == ["success"] * 5
    assert events(telemetry) == ["key_rotated"]
    assert event(telemetry, "key_rotated")["together.api_key.format"] == "tgp_v1"
    assert searches(telemetry) == {}
    accepted = telemetry.metrics()["together.client.key.last_accepted.timestamp"]
    assert len(accepted) == 2
    assert leaks(telemetry.everything(), key) == leaks(telemetry.everything(), NEW) == []


def test_rotations_follow_each_other(
    sdk: Sdk, server: TogetherServer, key: str, volume: Volume, telemetry: CapturedTelemetry
) -> None:
    """Whoever slept through one of them wakes up with the last."""
    third = made_up_key("T")
    server._keys.add(third)
    instrument(telemetry, volume.source())
    client, sleeper = sdk.client(api_key=key), sdk.client(api_key=key)
    sdk.chat(client)
    for new in (NEW, third):
        volume.put(new)
        sdk.chat(client)
    sdk.chat(sleeper)
    assert keys_sent(server) == [key, NEW, third, third]


def test_a_key_that_is_not_the_files_is_left_alone(
    sdk: Sdk, server: TogetherServer, volume: Volume, telemetry: CapturedTelemetry
) -> None:
    """Another tenant's, say: it is replaced only when it is refused."""
    other = made_up_key("X")
    server._keys.add(other)
    instrument(telemetry, volume.source())
    client = sdk.client(api_key=other)
    sdk.chat(client)
    volume.put(NEW)
    sdk.chat(client)
    assert keys_sent(server) == [other, other]
    server.revoke(other)
    sdk.chat(client)
    assert keys_sent(server)[2:] == [other, NEW]
    assert searches(telemetry) == {"recovered": 1}


def test_a_rotation_to_a_bad_key_harms_nobody(
    sdk: Sdk,
    server: TogetherServer,
    key: str,
    volume: Volume,
    telemetry: CapturedTelemetry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The former key goes on, and the new one is tried again after a while."""
    clock = Clock()
    monkeypatch.setattr(REPLACEMENTS, "clock", clock)
    instrument(telemetry, volume.source())
    client = sdk.client(api_key=key)
    sdk.chat(client)
    volume.put(BAD)
    for _ in range(3):
        sdk.chat(client)
    assert keys_sent(server) == [key, BAD, key, key, key]
    assert outcomes(telemetry) == ["success", "auth_failure"] + ["success"] * 3
    assert searches(telemetry) == {"recovered": 1}
    assert event(telemetry, "key_recovered")["together.recovery.source"] == "former"

    clock.now += 61
    server._keys.add(BAD)
    sdk.chat(client)
    assert keys_sent(server)[5:] == [BAD]


def test_neither_the_new_key_nor_the_former_one(
    sdk: Sdk, server: TogetherServer, key: str, volume: Volume, telemetry: CapturedTelemetry
) -> None:
    """Revoked too early, and replaced by a bad one: the application hears of it."""
    instrument(telemetry, volume.source())
    client = sdk.client(api_key=key)
    sdk.chat(client)
    volume.put(BAD)
    server.revoke(key)
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)
    assert keys_sent(server) == [key, BAD, key]
    assert searches(telemetry) == {"refused_again": 1}
    volume.put(NEW)
    sdk.chat(client)
    assert keys_sent(server)[3:] == [NEW]


def test_a_call_of_before_the_rotation_proves_nothing(
    sdk: Sdk, server: TogetherServer, key: str, volume: Volume, telemetry: CapturedTelemetry
) -> None:
    """One that was accepted with the former key, while the bad new one was yet to be tried."""
    instrument(telemetry, volume.source())
    client = sdk.client(api_key=key)
    sdk.chat(client)
    volume.put(BAD)
    retry._renew(*looked_at(client, telemetry))
    line = REPLACEMENTS.find(client._client if GENERATION > 1 else client.client, key)
    assert line is not None
    line.accepted(key)
    sdk.chat(client)
    assert keys_sent(server) == [key, BAD, key]


@pytest.mark.parametrize("damage", ["", "\n", "tgp_v1_half", "changeme"])
def test_a_file_that_is_being_written(
    damage: str,
    sdk: Sdk,
    server: TogetherServer,
    key: str,
    tmp_path: Path,
    telemetry: CapturedTelemetry,
) -> None:
    """What cannot be a key is not one yet; nor is a file that is gone for a moment."""
    secret = tmp_path / "together"
    secret.write_text(key)
    instrument(telemetry, watched(secret, Clock(step=1.0)))
    client = sdk.client(api_key=key)
    sdk.chat(client)
    secret.write_text(damage)
    sdk.chat(client)
    secret.unlink()
    sdk.chat(client)
    secret.write_text(NEW)
    sdk.chat(client)
    assert keys_sent(server) == [key, key, key, NEW]
    assert events(telemetry) == ["key_rotated"]


@pytest.mark.parametrize("sdk", ["sync"], indirect=True)
def test_threads_at_the_moment_of_a_rotation(
    sdk: Sdk, server: TogetherServer, key: str, volume: Volume, telemetry: CapturedTelemetry
) -> None:
    """All of them change over; what they changed over from is known as it was."""
    instrument(telemetry, volume.source())
    client = sdk.client(api_key=key)
    shared = client._client if GENERATION > 1 else client.client
    volume.put(NEW)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: retry._renew(*looked_at(client, telemetry)), range(32)))
    line = REPLACEMENTS.find(shared, key)
    assert line is not None
    assert (line.current, line.former) == (NEW, key)
    sdk.chat(client)
    assert keys_sent(server) == [NEW]


def looked_at(client: Any, _telemetry: CapturedTelemetry) -> tuple[Any, ...]:
    """Return what a client's key is looked at with, before a call."""
    from together_otel.calls import patching  # noqa: PLC0415 - for one test
    from together_otel.instrumentor import _PATCHES  # noqa: PLC0415 - the same

    runtime = _PATCHES.runtime
    assert runtime is not None
    if GENERATION > 1:
        return runtime, patching._STAINLESS, client, runtime.recovery
    import together.abstract.api_requestor as module  # noqa: PLC0415 - of 1.x alone

    requestor = module.APIRequestor(client=client.client)
    return runtime, patching._LEGACY, requestor, runtime.recovery


def test_the_file_is_looked_at_once_a_second(
    sdk: Sdk,
    key: str,
    tmp_path: Path,
    telemetry: CapturedTelemetry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many calls there are."""
    secret = tmp_path / "together"
    secret.write_text(key)
    clock = Clock()
    instrument(telemetry, watched(secret, clock))
    looks: list[object] = []
    stat = os.stat

    def counted(path: Any, **more: Any) -> os.stat_result:
        looks.extend([path] if path == secret else [])
        return stat(path, **more)

    client = sdk.client(api_key=key)
    sdk.chat(client)
    monkeypatch.setattr(os, "stat", counted)
    for after in (0.5, 0.6, 0.1, 0.1):
        clock.now += after
        sdk.chat(client)
    assert len(looks) == 1


def test_a_file_that_comes_later(
    sdk: Sdk, server: TogetherServer, volume: Volume, telemetry: CapturedTelemetry
) -> None:
    """A chain's file that is not there is a source that failed, until it is there."""
    server.revoke(made_up_key())
    later = volume.path.with_name("later")
    source = Answers(None)
    instrument(telemetry, [recovery.file(later), source])
    client = sdk.client(api_key=BAD)
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)
    assert event(telemetry, "key_not_recovered")["together.recovery.asked"] == [
        "file: FileNotFoundError",
        "function: nothing",
    ]
    later.write_text(NEW)
    sdk.chat(client)
    assert searches(telemetry) == {"source_failed": 1, "recovered": 1}
