"""Capturing content gives no key away, and the application notices nothing of it."""

import copy
import json

import pytest
from capturing import (
    INPUTS,
    OUTPUTS,
    TOOLS,
    calling,
    content,
    events,
    reply,
    streamed,
    text,
    user,
    whole,
)
from generation import MESSAGES, leaks, made_up_key
from reported import call

from together_otel import TogetherInstrumentor
from together_otel.telemetry.content import LONGEST_ATTRIBUTE

pytestmark = pytest.mark.usefixtures("captured")
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


# ── keys ─────────────────────────────────────────────────────────────────────────────


def asking(key):
    """Return options of requests with a key in each place where one can be pasted."""
    hidden = json.dumps({"curl": f"-H 'Authorization: Bearer {key}'", "key": key})
    called = {"role": "assistant", "content": None, "tool_calls": [calling("run", hidden)]}
    function = {"name": "run", "description": f"Uses {key}.", "parameters": {"default": key}}
    image = {"type": "image_url", "image_url": {"url": f"https://a.invalid/?k={key}"}}
    told = [
        {"role": "user", "content": f"My key is {key}, it does not work."},
        {"role": "user", "content": "Hello", "name": key},
        {"role": "user", "content": [{"type": "text", "text": key}, image]},
        {"role": "tool", "tool_call_id": key, "content": f"TOGETHER_API_KEY={key}"},
    ]
    options = [{"messages": [*MESSAGES, one]} for one in (*told, called)]
    return [*options, {"tools": [{"type": "function", "function": function}]}]


def others():
    """Return keys that are not the client's, known by their looks alone."""
    return {
        "another": made_up_key("Q"),
        "OpenAI's": "sk-" + "proj-" + "Zy9X" * 10,
        "old": "0f1e2d3c" * 8,
    }


def test_keys_in_requests(sdk, key, telemetry):
    client = sdk.client(api_key=key)
    for pasted in (key, *others().values()):
        for options in asking(pasted):
            telemetry.clear()
            sdk.chat(client, **options)
            assert "[key]" in json.dumps(content(telemetry)), options
            assert leaks(telemetry.everything(), pasted) == [], options


def answering(key):
    """Return answers with a key in each place where a model can put one."""
    arguments = json.dumps({"header": key})
    call = {"content": None, "tool_calls": [calling("run", arguments)]}
    pieces = [{"tool_calls": [calling("run", piece)]} for piece in (arguments[:25], arguments[25:])]
    return {
        "text": whole({"content": f"Your key is {key}."}),
        "reasoning": whole({"content": "Hello", "reasoning": f"The key is {key}."}),
        "arguments": whole(call),
        "streamed": streamed({"content": "Your key is "}, {"content": key}),
        "split": streamed({"content": key[:13]}, {"content": key[13:20]}, {"content": key[20:]}),
        "split reasoning": streamed({"reasoning": key[:13]}, {"reasoning": key[13:]}),
        "split arguments": streamed(*pieces),
    }


def test_keys_in_answers(sdk, key, server, telemetry):
    """Those that come in two chunks are put together first."""
    client = sdk.client(api_key=key)
    for told in (key, *others().values()):
        for name, behaviour in answering(told).items():
            telemetry.clear()
            server.script(behaviour)
            stream = name.startswith(("streamed", "split"))
            answer = sdk.chat(client, stream=stream)
            if stream:
                sdk.read(answer)
            assert "[key]" in json.dumps(content(telemetry)[OUTPUTS]), name
            assert leaks(telemetry.everything(), told) == [], name


# ── the application ──────────────────────────────────────────────────────────────────


def once(*items):
    """Return what can be read once."""
    return (item for item in items)


@pytest.mark.parametrize(
    "make",
    [
        lambda: {"messages": once(*MESSAGES)},
        lambda: {"messages": iter(MESSAGES)},
        lambda: {"messages": tuple(MESSAGES)},
        lambda: {
            "messages": [{"role": "user", "content": once({"type": "text", "text": "Hello"})}]
        },
        lambda: {"messages": MESSAGES, "tools": once(WEATHER)},
        lambda: {"messages": MESSAGES, "stop": once("END")},
        lambda: {"messages": [{"role": "user", "content": "half \ud83d of it"}]},
        lambda: {"messages": [{"role": "user", "content": b"bytes"}]},
        lambda: {"messages": [{"role": "user", "content": object()}]},
        lambda: {"messages": "Hello"},
        lambda: {"messages": None},
        lambda: {"messages": [None, 3, [], {}]},
        lambda: {"messages": MESSAGES, "tools": [WEATHER | {"more": float("nan")}]},
        lambda: {"messages": MESSAGES, "tools": [WEATHER | {"more": {1, 2}}]},
    ],
    ids="""
        generator iterator tuple parts tools stop surrogate bytes object text none odd nan set
    """.split(),  # noqa: SIM905 - names in a list read worse than a text
)
def test_what_is_sent_is_what_would_be_sent_without_us(make, sdk, key, server, telemetry):
    """Nothing is read before the SDK reads it; what the SDK refuses, it refuses as before."""

    def observe():
        before = len(server.requests)
        client = sdk.client(api_key=key)
        try:
            answer = type(sdk.chat(client, **make()))
        except Exception as exc:  # noqa: BLE001 - whatever the SDK says to it
            answer = type(exc), str(exc)
        return answer, [request.fields for request in server.requests[before:]]

    with_us = observe()
    telemetry.everything().encode()
    TogetherInstrumentor().uninstrument()
    # Not by ==, to which NaN is not itself; an object's address is no difference.
    assert plainly(observe()) == plainly(with_us)


def plainly(seen):
    return repr(seen).partition(" object at 0x")[0]


def test_what_is_given_and_got_is_not_changed(sdk, key, telemetry):
    arguments = json.dumps({"city": "Bern"})
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "The weather?"}]},
        {"role": "assistant", "content": None, "tool_calls": [calling("weather", arguments)]},
        {"role": "tool", "tool_call_id": "call-1", "content": "Rain."},
    ]
    tools = [copy.deepcopy(WEATHER)]
    before = copy.deepcopy((messages, tools))
    answer = sdk.chat(sdk.client(api_key=key), messages=messages, tools=tools)
    assert (messages, tools) == before

    told = content(telemetry)
    assert told[TOOLS] == [{"type": "function", **WEATHER["function"]}]  # type: ignore[dict-item]
    TogetherInstrumentor().uninstrument()
    without_us = sdk.chat(sdk.client(api_key=key), messages=messages, tools=tools)
    assert answer.model_dump(exclude={"id"}) == without_us.model_dump(exclude={"id"})


def test_what_is_changed_after_the_call_began_is_told_as_it_was(sdk, key, telemetry):
    """An application that goes on with its list while it reads a stream."""
    message = {"role": "user", "content": "Hello"}
    messages = [message]
    stream = sdk.chat(sdk.client(api_key=key), messages=messages, stream=True)
    messages.append({"role": "assistant", "content": "…"})
    message["content"] = "Something else"
    sdk.read(stream)

    assert content(telemetry)[INPUTS] == [user(text("Hello"))]


# ── bounds ───────────────────────────────────────────────────────────────────────────

MOST = 2 * LONGEST_ATTRIBUTE
"""Characters of an attribute of ordinary text, JSON's own signs and all."""


def deep(levels):
    return {"in": [deep(levels - 1)]} if levels else "the bottom"


@pytest.mark.filterwarnings("ignore:Sending a large body directly")  # aiohttp's, of async 1.x
@pytest.mark.parametrize(
    "options",
    [
        {"messages": [{"role": "user", "content": "word " * 2_000_000}]},
        {"messages": [{"role": "user", "content": f"word {place}"} for place in range(10_000)]},
        {
            "messages": [
                *MESSAGES,
                {"role": "assistant", "tool_calls": [calling("f", json.dumps(deep(100)))]},
            ]
        },
        {
            "messages": MESSAGES,
            "tools": [{"type": "function", "function": {"name": "f", "parameters": deep(40)}}],
        },
    ],
    ids=["long", "many", "deep arguments", "deep tools"],
)
def test_enormous_requests(options, sdk, key, server, telemetry):
    """They are sent as they are, and told in part."""
    assert sdk.chat(sdk.client(api_key=key), **options).choices

    (request,) = server.requests
    assert len(request.fields["messages"]) == len(options["messages"])
    assert set(content(telemetry)) >= {INPUTS, OUTPUTS}
    assert all(len(value) < MOST for value in call(telemetry).values() if isinstance(value, str))
    assert len(str(events(telemetry))) < 2 * MOST


def test_enormous_answer(sdk, key, server, telemetry):
    server.always(whole(*({"content": "word " * 100_000} for _ in range(4))))
    answer = sdk.chat(sdk.client(api_key=key), n=4)

    assert len(answer.choices[3].message.content) == 500_000
    assert len(call(telemetry)[OUTPUTS]) < MOST
    assert len(content(telemetry)[OUTPUTS]) == 4


def test_half_a_character_of_an_answer(sdk, key, server, telemetry):
    """A model's tokens end anywhere; no exporter could encode it."""
    server.always(streamed({"content": "half \ud83d"}, {"content": "!"}))
    chunks = sdk.read(sdk.chat(sdk.client(api_key=key), stream=True))

    assert len(chunks) == 2
    assert content(telemetry)[OUTPUTS] == [reply(text("half \ufffd!"))]
    telemetry.everything().encode()
