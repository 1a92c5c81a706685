"""A mounted secret that is rotated: its clients use the new key before the old one is refused."""

import logging
import os

import pytest
from concurrency import ask, in_threads
from frames import outwards
from generation import GENERATION, made_up_key
from recovering import BAD, Answers, Clock, watched

from together_otel import recovery
from together_otel.guard import Guard
from together_otel.keys import inspect_key
from together_otel.recovery.replacements import REPLACEMENTS, Found, Replacements
from together_otel.testing.server import TogetherServer

NEW = made_up_key("W")


class Volume:
    """A secret as Kubernetes mounts it: the file is a link through ``..data``, which is swapped."""

    def __init__(self, folder, key):
        self._folder = folder
        self._version = 0
        self.path = folder / "together"
        self.put(key)
        self.path.symlink_to("..data/together")

    def source(self):
        """Return a source of it, which is looked at before every call."""
        return watched(self.path, Clock(step=1.0))

    def put(self, text):
        """Let the file hold something else, at one stroke."""
        self._version += 1
        version = self._folder / f"..{self._version}"
        version.mkdir()
        (version / "together").write_text(text)
        link = self._folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self._folder / "..data")


@pytest.fixture
def server(key):
    """A server that accepts two keys: they overlap."""
    with TogetherServer(keys=[key, NEW]) as running:
        yield running


@pytest.fixture
def volume(tmp_path, key):
    """A mounted secret."""
    return Volume(tmp_path, f"{key}\n")


def test_a_rotation_is_noticed_before_the_old_key_is_refused(lab, volume):
    """No request is refused; one log event says that the key was changed, without it."""
    lab.instrument(volume.source())
    client = lab.client(api_key=lab.key)
    relative = client.with_options(timeout=5) if GENERATION > 1 else client
    lab.chat(client)
    volume.put(NEW)
    lab.chat(client)
    lab.chat(relative)
    lab.server.revoke(lab.key)
    lab.chat(client)
    lab.chat(lab.client(api_key=lab.key))  # of a variable, say, that is as old as the process

    assert lab.keys_sent() == [lab.key, NEW, NEW, NEW, NEW]
    assert lab.outcomes() == ["success"] * 5
    assert lab.events() == ["key_rotated"]
    assert lab.event("key_rotated")["together.api_key.format"] == "tgp_v1"
    assert lab.event("key_rotated")["together.client.library"] == "together"
    assert lab.searches() == {}
    accepted = lab.telemetry.metrics()["together.client.key.last_accepted.timestamp"]
    assert len(accepted) == 2
    assert lab.leaks(lab.key, NEW) == []


class Broken(logging.Handler):
    """Looks at the variables of our frames, as error trackers do, and raises."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def emit(self, record):
        if record.getMessage().startswith("together.client.key_rotated"):
            self.seen += [shown for _, shown in outwards()]
        raise LookupError


def test_a_log_that_fails_costs_no_recovery(lab, volume, monkeypatch):
    """The event of a rotation, whose frames show no argument of the call."""
    monkeypatch.setattr(Guard, "raising", False)
    lab.instrument([volume.source(), lambda: lab.key])
    client, broken = lab.client(api_key=lab.key), Broken()
    lab.chat(client)
    volume.put(BAD)
    logger = logging.getLogger("together_otel")
    logger.addHandler(broken)
    try:
        lab.chat(client, max_tokens=987_654_321)
    finally:
        logger.removeHandler(broken)
    assert lab.keys_sent() == [lab.key, BAD, lab.key]
    assert len(broken.seen) > 2
    assert "987654321" not in str(broken.seen)


def test_rotations_follow_each_other(lab, volume):
    """Whoever slept through one of them wakes up with the last."""
    third = made_up_key("T")
    lab.server._keys.add(third)
    lab.instrument(volume.source())
    client, sleeper = lab.client(api_key=lab.key), lab.client(api_key=lab.key)
    lab.chat(client)
    for new in (NEW, third):
        volume.put(new)
        lab.chat(client)
    lab.chat(sleeper)
    assert lab.keys_sent() == [lab.key, NEW, third, third]


def test_a_key_that_is_not_the_files_is_left_alone(lab, volume):
    """Another tenant's, say: it is replaced only when it is refused."""
    other = made_up_key("X")
    lab.server._keys.add(other)
    lab.instrument(volume.source())
    client = lab.client(api_key=other)
    lab.chat(client)
    volume.put(NEW)
    lab.chat(client)
    assert lab.keys_sent() == [other, other]
    lab.server.revoke(other)
    lab.chat(client)
    assert lab.keys_sent()[2:] == [other, NEW]
    assert lab.searches() == {"recovered": 1}


def test_a_rotation_to_a_bad_key_harms_nobody(lab, volume, monkeypatch):
    """The former key goes on, and the new one is tried again after a while."""
    clock = Clock()
    monkeypatch.setattr(REPLACEMENTS, "clock", clock)
    lab.instrument(volume.source())
    client = lab.client(api_key=lab.key)
    lab.chat(client)
    volume.put(BAD)
    for _ in range(3):
        lab.chat(client)
    assert lab.keys_sent() == [lab.key, BAD, lab.key, lab.key, lab.key]
    assert lab.outcomes() == ["success", "auth_failure"] + ["success"] * 3
    assert lab.searches() == {"recovered": 1}
    assert lab.event("key_recovered")["together.recovery.source"] == "former"

    clock.now += 61
    lab.server._keys.add(BAD)
    lab.chat(client)
    assert lab.keys_sent()[5:] == [BAD]


def test_neither_the_new_key_nor_the_former_one(lab, volume):
    """Revoked too early, and replaced by a bad one: the application hears of it."""
    lab.instrument(volume.source())
    client = lab.client(api_key=lab.key)
    lab.chat(client)
    volume.put(BAD)
    lab.server.revoke(lab.key)
    with pytest.raises(Exception, match="Invalid API key"):
        lab.chat(client)
    assert lab.keys_sent() == [lab.key, BAD, lab.key]
    assert lab.searches() == {"refused_again": 1}
    volume.put(NEW)
    lab.chat(client)
    assert lab.keys_sent()[3:] == [NEW]


def test_a_call_of_before_the_rotation_proves_nothing():
    """One that was accepted with the former key, while the new one was yet to be tried."""
    replacement = Replacements().of(Clock(), BAD)
    replacement.rotated(Found(NEW, "file", inspect_key(NEW)))
    replacement.accepted(BAD)
    assert (replacement.current, replacement.former) == (NEW, BAD)


@pytest.mark.parametrize("damage", ["", "\n", "tgp_v1_half", "changeme"])
def test_a_file_that_is_being_written(lab, damage, tmp_path):
    """What cannot be a key is not one yet; nor is a file that is gone for a moment."""
    secret = tmp_path / "together"
    secret.write_text(lab.key)
    lab.instrument(watched(secret, Clock(step=1.0)))
    client = lab.client(api_key=lab.key)
    lab.chat(client)
    secret.write_text(damage)
    lab.chat(client)
    secret.unlink()
    lab.chat(client)
    secret.write_text(NEW)
    lab.chat(client)
    assert lab.keys_sent() == [lab.key, lab.key, lab.key, NEW]
    assert lab.events() == ["key_rotated"]


@pytest.mark.parametrize("sdk", ["sync"], indirect=True)
def test_threads_at_the_moment_of_a_rotation(lab, volume):
    """All of them change over; what they changed over from is known as it was."""
    lab.instrument(volume.source())
    client = lab.client(api_key=lab.key)
    volume.put(BAD)
    assert not [one for one in in_threads(8, lambda: ask(client)) if isinstance(one, Exception)]
    assert lab.searches() == {"recovered": 1}
    assert set(lab.keys_sent()) == {BAD, lab.key}


def test_the_file_is_looked_at_once_a_second(lab, tmp_path, monkeypatch):
    """However many calls there are."""
    secret = tmp_path / "together"
    secret.write_text(lab.key)
    clock = Clock()
    lab.instrument(watched(secret, clock))
    looks = []
    stat = os.stat

    def counted(path, **more):
        looks.extend([path] if path == secret else [])
        return stat(path, **more)

    client = lab.client(api_key=lab.key)
    lab.chat(client)
    monkeypatch.setattr(os, "stat", counted)
    for after in (0.5, 0.6, 0.1, 0.1):
        clock.now += after
        lab.chat(client)
    assert len(looks) == 1


def test_a_file_that_comes_later(lab, volume):
    """A chain's file that is not there is a source that failed, until it is there."""
    lab.server.revoke(made_up_key())
    later = volume.path.with_name("later")
    source = Answers(None)
    lab.instrument([recovery.file(later), source])
    client = lab.client(api_key=BAD)
    with pytest.raises(Exception, match="Invalid API key"):
        lab.chat(client)
    assert lab.event("key_not_recovered")["together.recovery.asked"] == [
        "file: FileNotFoundError",
        "function: nothing",
    ]
    later.write_text(NEW)
    lab.chat(client)
    assert lab.searches() == {"source_failed": 1, "recovered": 1}
