"""When there is no other key, or none that helps: the application gets what the SDK raised."""

import dataclasses
import gc
import logging
import traceback
import weakref

import pytest
from frames import outwards
from generation import GENERATION, leaks, made_up_key
from recovering import BAD, OLD, Answers, Clock, noted, refused, watched

from together_otel import TogetherInstrumentor, recovery
from together_otel.auth import runtime
from together_otel.guard import Guard
from together_otel.recovery import replacements, retry
from together_otel.testing import behaviours
from together_otel.testing.server import TogetherServer


@pytest.fixture
def raised(monkeypatch):
    """The exceptions that left the SDK, in their order."""
    return noted(monkeypatch)


@pytest.mark.parametrize(
    ("answer", "outcome", "asked"),
    [
        (None, "no_new_key", "function: nothing"),
        ("  \n", "no_new_key", "function: nothing"),
        (OLD, "no_new_key", "function: refused_before"),
        (f"{OLD}\n", "no_new_key", "function: refused_before"),
        ("changeme", "no_new_key", "function: unusable (placeholder)"),
        (f'"{BAD}"', "no_new_key", "function: unusable (quoted)"),
        (b"bytes", "source_failed", "function: TypeError"),
        (LookupError(OLD), "source_failed", "function: LookupError"),
        (SystemExit(OLD), "source_failed", "function: RuntimeError"),
    ],
    ids=[
        *("none", "empty", "the same", "the same again", "placeholder", "damaged", "bytes"),
        *("error", "exit"),
    ],
)
def test_no_other_key(lab, answer, outcome, asked, raised):
    """The application gets the SDK's exception, the same object with the same traceback."""
    source = Answers(answer)
    lab.instrument(source)
    exc = lab.refused(lab.client(api_key=OLD))

    assert [exc] == raised
    frames = [frame.filename for frame in traceback.extract_tb(exc.__traceback__)]
    assert not [name for name in frames if "together_otel/recovery/" in name]
    assert lab.keys_sent() == [OLD]
    assert lab.searches() == {outcome: 1}
    assert lab.events() == ["key_not_recovered", "auth_failed"]
    said = lab.event("key_not_recovered")
    assert said["together.recovery.asked"] == [asked]
    assert said["together.auth.cause"] == "rejected"
    assert lab.leaks(OLD) == []


def test_another_key_that_is_refused_as_well(lab, raised):
    """The first refusal is raised, unchanged; the client keeps its key; it ends there."""
    source = Answers(BAD)
    lab.instrument(source)
    client = lab.client(api_key=OLD)
    exc = lab.refused(client)

    assert exc is raised[0]
    assert len(raised) == 2
    assert exc.__context__ is not raised[1]
    bottom = traceback.extract_tb(exc.__traceback__)[-1]
    assert "together/" in bottom.filename
    assert lab.keys_sent() == [OLD, BAD]
    assert (client.api_key if GENERATION > 1 else client.client.api_key) == OLD
    assert lab.searches() == {"refused_again": 1}
    assert lab.telemetry.counter("together.client.auth.failures") == 2
    assert lab.outcomes() == ["auth_failure"] * 2

    # It is not tried again, but by a search that finds nothing else.
    lab.refused(client)
    assert lab.keys_sent() == [OLD, BAD, OLD]
    assert lab.searches() == {"refused_again": 1, "no_new_key": 1}
    assert lab.leaks(BAD) == []


def test_context_of_the_first_refusal(lab, raised):
    """What the application was handling when it called is its context where it always was."""
    client = lab.client(api_key=OLD)

    def said():
        try:
            {}["nothing"]
        except KeyError:
            exc = lab.refused(client)
            return exc, type(exc.__cause__), type(exc.__context__), exc.__suppress_context__

    lab.instrument(None)
    usual = said()
    lab.instrument(Answers(BAD))
    again = said()
    assert again[1:] == usual[1:]
    assert [usual[0], again[0]] == raised[:2]


def test_a_refused_key_may_be_tried_again_after_a_while(lab, monkeypatch):
    """It may have been refused for being too new."""
    clock = Clock()
    monkeypatch.setattr(replacements.REPLACEMENTS, "clock", clock)
    lab.instrument(Answers(BAD))
    client = lab.client(api_key=OLD)
    lab.refused(client)
    clock.now += 61
    lab.server.script(behaviours.refuse(), behaviours.accept())
    assert lab.chat(client).choices
    assert lab.keys_sent() == [OLD, BAD, OLD, BAD]
    assert lab.searches() == {"refused_again": 1, "recovered": 1}


def test_a_second_attempt_that_fails_otherwise(lab, raised):
    """That failure is the call's; the key is proven by the next call."""
    lab.instrument(Answers(lab.key))
    client = lab.client(api_key=OLD)
    lab.server.script(behaviours.refuse(), behaviours.forbidden_context())
    with pytest.raises(Exception, match="context length") as caught:
        lab.chat(client)
    assert caught.value is raised[1]
    assert raised[0] not in (caught.value.__cause__, caught.value.__context__)
    assert lab.searches() == {}

    lab.chat(client)
    assert lab.keys_sent() == [OLD, lab.key, lab.key]
    assert lab.searches() == {"recovered": 1}


@pytest.mark.parametrize("how", ["overridden", "redirected", "wrong_endpoint", "elsewhere"])
def test_what_another_key_does_not_help_against(lab, how):
    """Nobody is asked, and no key is shown to a server that is not Together's."""
    source = Answers(lab.key)
    lab.instrument(source)
    options = {}
    given = OLD
    with TogetherServer(keys=[lab.key]) as other:
        if how == "overridden":
            name = "supplied_headers" if GENERATION == 1 else "default_headers"
            options[name] = {"Authorization": f"Bearer {BAD}"}
        elif how == "redirected":
            lab.server.always(behaviours.redirect(other.url.replace("127.0.0.1", "localhost")))
        else:
            lab.server.always(behaviours.refuse("html"))
            given = OLD if how == "wrong_endpoint" else "changeme"
        with pytest.raises(Exception):  # noqa: B017, PT011 - the class differs by generation
            lab.chat(lab.client(api_key=given, **options))
    assert source.calls == 0
    assert lab.key not in lab.keys_sent()
    assert lab.telemetry.counter("together.client.auth.failures") == 1
    assert lab.searches() == {}


def test_other_failures_are_none_of_its_business(lab):
    source = Answers(made_up_key("W"))
    lab.instrument(source)
    client = lab.client(api_key=lab.key)
    for behaviour in (behaviours.rate_limited(), behaviours.forbidden_context()):
        lab.server.script(*[behaviour] * (6 if GENERATION == 1 else 1))
        with pytest.raises(Exception):  # noqa: B017, PT011 - the class differs by generation
            lab.chat(client)
    assert source.calls == 0


# ── several sources ──────────────────────────────────────────────────────────────────


def test_a_key_of_a_gateway(lab, monkeypatch):
    """Keys of LiteLLM's proxy look like OpenAI's; for Together itself these are no keys."""
    old, new = ("sk-" + letter * 22 for letter in "ab")
    lab.server.accept(new)
    monkeypatch.setenv("TOGETHER_OTEL_HOSTS", "127.0.0.1")
    lab.instrument(Answers(new))
    lab.refused(lab.client(api_key=old))
    assert lab.searches() == {"no_new_key": 1}
    lab.instrument(Answers(new))  # a source that rests no more
    lab.server.script(behaviours.custom(401, {"error": {"code": "401"}}, foreign=True))
    lab.chat(lab.client(api_key=old))
    assert lab.keys_sent() == [old, old, new]


def test_a_chain_is_asked_in_turn(lab):
    """Until one has a key that may be tried; the others are left alone."""
    asked = [Answers(None), Answers(OSError("a text with a key")), Answers(lab.key), Answers(BAD)]
    lab.instrument([*asked[:2], recovery.function(asked[2]), asked[3]])
    lab.chat(lab.client(api_key=OLD))
    assert [one.calls for one in asked] == [1, 1, 1, 0]
    assert lab.searches() == {"recovered": 1}
    assert lab.keys_sent() == [OLD, lab.key]


def test_the_same_failure_is_logged_once_in_a_while(lab, monkeypatch):
    """Each search is counted; the next event says how many were held back."""
    now = [100.0]
    monkeypatch.setattr(runtime.clocks, "monotonic", lambda: now[0])
    lab.instrument(recovery.environment("NOTHING"))
    client = lab.client(api_key=OLD)
    for _ in range(3):
        lab.refused(client)
    now[0] += 61
    lab.refused(client)
    assert lab.searches() == {"no_new_key": 4}
    told = [log for log in lab.telemetry.logs() if log["event_name"].endswith("key_not_recovered")]
    suppressed = [log["attributes"].get("together.auth.suppressed") for log in told]
    assert suppressed == [None, 2]


def test_a_source_that_had_nothing_rests(lab):
    """A storm of refusals does not become one of commands; a search that asks nobody is none."""
    source, clock = Answers(None), Clock()
    lab.instrument(dataclasses.replace(recovery.function(source), clock=clock))
    client = lab.client(api_key=OLD)
    for _ in range(3):
        lab.refused(client)
    assert source.calls == 1
    assert lab.searches() == {"no_new_key": 1}
    for after, calls in ((1.1, 2), (1.1, 2), (1.1, 3), (3.9, 3), (0.2, 4)):
        clock.now += after
        lab.refused(client)
        assert source.calls == calls


def test_an_error_of_ours_does_not_replace_the_refusal(lab, raised, monkeypatch):
    """It is counted, and the application gets what the SDK raised."""
    monkeypatch.setattr(Guard, "raising", False)
    lab.instrument(Answers(BAD))
    monkeypatch.setattr(retry, "_is_curable", lambda *_: 1 / 0)
    exc = lab.refused(lab.client(api_key=OLD))
    assert [exc] == raised
    assert (
        lab.telemetry.counter(
            "together.client.telemetry.errors", {"together.telemetry.stage": "recovery"}
        )
        == 1
    )


def test_nothing_keeps_a_client_or_an_exception_alive(sdk, key):
    """A client that was recovered, and a refusal that was raised, are collected as ever."""
    # Without the telemetry of the other tests: a log record that is kept keeps its call.
    TogetherInstrumentor().instrument(recovery=Answers(key, BAD))
    try:
        client = sdk.client(api_key=OLD)
        sdk.chat(client)
        refused(sdk, sdk.client(api_key=OLD))
    finally:
        TogetherInstrumentor().uninstrument()
    shared = weakref.ref(client._client if GENERATION > 1 else client.client)
    known = id(shared())
    assert known in replacements.REPLACEMENTS.kept
    if GENERATION > 1:
        for made in sdk._clients:
            sdk.run(made.close)
        del made
    sdk._clients.clear()
    del client
    gc.collect()
    assert shared() is None
    assert known not in replacements.REPLACEMENTS.kept


def test_no_frame_holds_a_key_while_something_is_logged(lab, tmp_path):
    """Trackers of errors send the local variables of all frames."""
    held = {}

    def look(record):
        event_name = record.getMessage().partition(" ")[0]
        for frame, shown in outwards():
            if "together_otel/recovery/" in frame.f_code.co_filename:
                held[event_name] = held.get(event_name, "") + shown
        return True

    secret = tmp_path / "together"
    secret.write_text(lab.key)
    logger = logging.getLogger("together_otel")
    logger.addFilter(look)
    try:
        lab.instrument([watched(secret, Clock(step=1.0)), Answers(None, BAD)])
        lab.chat(lab.client(api_key=OLD))
        client = lab.client(api_key=lab.key)
        lab.server.revoke(lab.key)
        lab.refused(client)
        secret.write_text(BAD)
        lab.refused(client)
        lab.instrument(Answers(BAD))
        lab.refused(lab.client(api_key=OLD))
    finally:
        logger.removeFilter(look)
    names = [f"together.client.key_{what}" for what in ("recovered", "not_recovered", "rotated")]
    assert sorted(held) == sorted(names)
    for one in (OLD, BAD, lab.key):
        assert leaks(repr(held), one) == []


def test_no_repr_shows_a_key(key):
    """Neither sources nor what is found."""
    shown = repr(
        [
            recovery.command(["echo", key]),
            recovery.function(lambda: key),
            recovery.environment(),
            recovery.prompt(),
            replacements.REPLACEMENTS.of(Clock(), key),
        ]
    )
    assert leaks(shown, key) == []
    assert "Source(kind='command'" in shown
