"""From the API's requests to the conventions' JSON, whatever stands in them."""

import base64
import enum
import hashlib

import pytest
from capturing import INPUTS, TOOLS, calling, gathered, text, user

from together_otel.clients.messages import Messages


def asked(*messages):
    """Return the input messages of a chat."""
    return gathered(Messages("chat", {"messages": list(messages)}))[INPUTS]


def shown(*content):
    """Return the parts of a user's message."""
    (message,) = asked({"role": "user", "content": list(content)})
    return message["parts"]


def digest(content):
    return "nih:sha-256-128;" + hashlib.sha256(content).hexdigest()[:32]


class Role(str, enum.Enum):
    """As 1.x has them."""

    USER = "user"


class Kind(str, enum.Enum):
    """As 1.x has them."""

    TEXT = "text"


def test_a_conversation():
    """What is part of the history stays there, the system's message too: it came first."""
    assert asked(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is the weather?", "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [calling("weather", '{"at": 1}')]},
        {"role": "tool", "tool_call_id": "call-1", "content": "Rain."},
        {"role": "assistant", "content": "It rains.", "reasoning": "Rain means rain."},
    ) == [
        {"role": "system", "parts": [text("Be brief.")]},
        {"role": "user", "parts": [text("What is the weather?")], "name": "ann"},
        {
            "role": "assistant",
            "parts": [
                {"type": "tool_call", "id": "call-1", "name": "weather", "arguments": {"at": 1}}
            ],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "call-1", "response": "Rain."}],
        },
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "Rain means rain."}, text("It rains.")],
        },
    ]


def test_members_of_enumerations_are_their_values():
    """1.x makes members of roles and types."""
    content = [{"type": Kind.TEXT, "text": "Hello"}]
    assert asked({"role": Role.USER, "content": content}) == [user(text("Hello"))]
    (message,) = asked({"role": Role.USER, "content": "Hello"})
    assert type(message["role"]) is str


def test_functions_as_they_were_before_tools():
    """Calls and results of the older form are told in the newer one's."""
    call = {"name": "weather", "arguments": '{"at": 1}'}
    assert asked(
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "weather", "content": "Rain."},
    ) == [
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "name": "weather", "arguments": {"at": 1}}],
        },
        {
            "role": "function",
            "name": "weather",
            "parts": [{"type": "tool_call_response", "response": "Rain."}],
        },
    ]


PNG = b"\x89PNG and so on"
INLINE = base64.b64encode(PNG).decode()


def generic(kind):
    return {"type": "generic", "generic_type": kind}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.invalid/1.png", {"uri": "https://a.invalid/1.png"}),
        (f"data:image/png;base64,{INLINE}", {"mime_type": "image/png", "uri": digest(PNG)}),
        (f" DATA:image/png;base64,{INLINE}", {"mime_type": "image/png", "uri": digest(PNG)}),
        (f"data:;base64,{INLINE}", {"uri": digest(PNG)}),
        ("data:image/svg+xml,<svg/>", {"mime_type": "image/svg+xml", "uri": digest(b"<svg/>")}),
        ("data:" + INLINE, {"uri": digest(PNG)}),
        (INLINE, {"uri": digest(PNG)}),
        (
            "https://a.invalid/1.png?X-Amz-Credential=me&X-Amz-Signature=0a1b&w=2#top",
            {
                "uri": "https://a.invalid/1.png"
                "?X-Amz-Credential=REDACTED&X-Amz-Signature=REDACTED&w=2#top"
            },
        ),
        ("https://a.invalid/?w=2&sig=0a1b", {"uri": "https://a.invalid/?w=2&sig=REDACTED"}),
        ("https://a.invalid/?token=0a1b", {"uri": "https://a.invalid/?token=REDACTED"}),
        ("https://a.invalid/?design=1", {"uri": "https://a.invalid/?design=1"}),
        ("https://me:pass@a.invalid/@1", {"uri": "https://REDACTED@a.invalid/@1"}),
        ("https://[a.invalid/1.png", {"uri": "https://[a.invalid/1.png"}),
    ],
)
def test_images(url, expected):
    """By their URL, without what lets its bearer in; or by a digest that `sha256sum` shows."""
    image = {"type": "uri", "modality": "image", **expected}
    assert shown({"type": "image_url", "image_url": {"url": url}}) == [image]
    assert shown({"type": "image_url", "image_url": url}) == [image]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "video_url", "video_url": {"url": "https://a.invalid/1.mp4"}},
            {"type": "uri", "modality": "video", "uri": "https://a.invalid/1.mp4"},
        ),
        (
            {"type": "audio_url", "audio_url": {"url": "https://a.invalid/1.wav"}},
            {"type": "uri", "modality": "audio", "uri": "https://a.invalid/1.wav"},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": INLINE, "format": "wav"}},
            {"type": "uri", "modality": "audio", "mime_type": "audio/wav", "uri": digest(PNG)},
        ),
        ({"type": "input_audio", "input_audio": {}}, generic("input_audio")),
        ({"type": "image_url", "image_url": {"url": None}}, generic("image_url")),
        ({"type": "novelty", "novelty": {"data": INLINE}}, generic("novelty")),
        (
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "file", "modality": "document", "file_id": "file-1"},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": INLINE}},
            {"type": "uri", "modality": "document", "uri": digest(PNG)},
        ),
        ({"type": "file"}, generic("file")),
        ({"type": "text", "text": None}, text("")),
        ("Hello", text("Hello")),
    ],
)
def test_other_parts(part, expected):
    """Of what the conventions have no part for, its type is told."""
    assert shown(part) == [expected]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Rain.", "Rain."),
        ([{"type": "text", "text": "Rain."}], [text("Rain.")]),
        (
            [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{INLINE}"}}],
            [{"type": "uri", "modality": "image", "mime_type": "image/png", "uri": digest(PNG)}],
        ),
        ({"rain": True}, {"rain": True}),
        (None, None),
    ],
)
def test_results_of_tools(content, expected):
    (message,) = asked({"role": "tool", "content": content})
    assert message["parts"] == [{"type": "tool_call_response", "response": expected}]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"at": [1, 2]}', {"at": [1, 2]}),
        ('{"at": [1,', '{"at": [1,'),
        ({"at": 1}, {"at": 1}),
        ("[" * 9_000, "[" * 9_000),
        ("9" * 9_000, "9" * 9_000),
    ],
    ids=["json", "cut", "object", "deep", "long"],
)
def test_arguments_of_tools(arguments, expected):
    """Parsed where they are JSON that can be; else as they were written."""
    (message,) = asked({"role": "assistant", "tool_calls": [calling("f", arguments)]})
    assert message["parts"][0]["arguments"] == expected


@pytest.mark.parametrize("arguments", [None, "null"])
def test_no_arguments(arguments):
    (message,) = asked({"role": "assistant", "tool_calls": [calling("f", arguments)]})
    assert message["parts"] == [{"type": "tool_call", "id": "call-1", "name": "f"}]


def test_tools():
    """Functions nested or flat, and tools of other types, each with the name it must have."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    function = {"name": "weather", "description": "Tells it.", "parameters": schema}
    tools = [
        {"type": "function", "function": function},
        {"type": "function", **function},
        {"type": "function", "function": {"name": "time", "description": None}},
        {"type": "code_interpreter"},
    ]
    assert gathered(Messages("chat", {"tools": tools}))[TOOLS] == [
        {"type": "function", **function},
        {"type": "function", **function},
        {"type": "function", "name": "time"},
        {"type": "code_interpreter", "name": "code_interpreter"},
    ]


def test_prompts():
    """Several prompts are several messages; tokens are no text."""
    prompts = ["One", "Two", 3, [4]]
    found = gathered(Messages("text_completion", {"prompt": prompts}))
    assert found[INPUTS] == [user(text("One")), user(text("Two"))]


FRAME = "https://a.invalid/1.png"
IMAGE = {"type": "uri", "modality": "image", "uri": FRAME}
VIDEO = {"type": "uri", "modality": "video", "uri": "https://a.invalid/1.mp4"}
SOUND = {"type": "uri", "modality": "audio", "uri": digest(PNG)}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"prompt": "A cat", "image_url": FRAME}, [text("A cat"), IMAGE]),
        ({"prompt": "A cat", "reference_images": [FRAME, None]}, [text("A cat"), IMAGE]),
        ({"frame_images": [{"input_image": FRAME, "frame": "first"}]}, [IMAGE]),
        (
            {
                "media": {
                    "source_video": {"video": VIDEO["uri"]},
                    "audio_inputs": [f"data:;base64,{INLINE}", {"audio": INLINE}],
                }
            },
            [VIDEO, SOUND, SOUND],
        ),
    ],
    ids=["image", "references", "frames", "media"],
)
def test_media_that_a_generation_starts_from(body, expected):
    assert gathered(Messages("video_generation", body))[INPUTS] == [user(*expected)]
