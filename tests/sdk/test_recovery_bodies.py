"""A request is made again only when its body can be sent again, whole."""

import io
import os

import pytest
from recovering import OLD, Answers

from together_otel.recovery.bodies import rewinder

SOUND = b"RIFF" + b"sound" * 1000


class Microphone(io.RawIOBase):
    """What gives its bytes once."""

    def __init__(self):
        self._left = io.BytesIO(SOUND)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._left.readinto(buffer)


def transcribe(sdk, client, sound):
    return sdk.run(lambda: client.audio.transcriptions.create(model="a/model", file=sound))


def test_a_file_is_sent_again_whole(lab):
    """From where it stood, as 1.x would go on from where it had come to."""
    lab.instrument(Answers(lab.key))
    transcribe(lab.sdk, lab.client(api_key=OLD), io.BytesIO(SOUND))
    assert lab.keys_sent() == [OLD, lab.key]
    first, second = (int(one.headers["content-length"]) for one in lab.server.requests)
    assert first == second > len(SOUND)
    assert lab.searches() == {"recovered": 1}


def test_what_can_be_read_once_is_sent_once(lab):
    """The refusal goes to the application, a warning says why; the next request has the new key."""
    lab.instrument(Answers(lab.key))
    client = lab.client(api_key=OLD)
    with pytest.raises(Exception, match="Invalid API key"):
        transcribe(lab.sdk, client, Microphone())
    assert lab.keys_sent() == [OLD]
    assert lab.events() == ["request_not_repeated", "auth_failed"]
    event = lab.event("request_not_repeated")
    assert event["together.recovery.source"] == "function"
    assert event["together.client.library"] == "together"
    assert lab.searches() == {}

    transcribe(lab.sdk, client, Microphone())
    assert lab.keys_sent() == [OLD, lab.key]
    assert lab.searches() == {"recovered": 1}


def pieces():
    """Give bytes once."""
    yield b"a"


async def async_pieces():
    """Give bytes once."""
    yield b"a"


class Broken(io.BytesIO):
    """Cannot be rewound, though it says where it is."""

    def seek(self, *_):
        raise OSError


class AsyncFile:
    """Says where it is to those who await it."""

    def read(self):
        return b""

    async def tell(self):
        return 0


@pytest.mark.parametrize(
    ("part", "again"),
    [
        (None, True),
        (b"bytes", True),
        ("text", True),
        ([b"a", b"b"], True),
        (io.BytesIO(b"a"), True),
        ({"file": ("name", io.BytesIO(b"a"), "audio/wav")}, True),
        ([("file", Microphone())], False),
        (pieces(), False),
        (async_pieces(), False),
        (iter([b"a"]), False),
        (Broken(b"a"), False),
    ],
    ids=[
        *("none", "bytes", "text", "list", "file", "multipart", "pipe"),
        *("generator", "async generator", "iterator", "broken file"),
    ],
)
def test_what_can_be_sent_again(part, again):
    assert rewinder([part])() is again


def test_files_are_put_back_to_where_they_were():
    opened = io.BytesIO(SOUND)
    opened.seek(4)
    rewind = rewinder([{"file": opened}])
    opened.read()
    assert rewind()
    assert opened.tell() == 4


def test_files_that_are_closed_or_awaited_or_pipes():
    """None of them can be asked where it is."""
    closed = io.BytesIO()
    closed.close()
    assert not rewinder([closed])()
    assert not rewinder([AsyncFile()])()
    reading, writing = os.pipe()
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - of a descriptor
        assert not rewinder([pipe])()
