"""An application of another host cannot tell that the openai client is instrumented."""

import inspect
import sys
import traceback
from unittest import mock

import openai
import pytest
import wrapt
from reaching import ELSEWHERE, TOGETHER

from together_otel import instrument, uninstrument
from together_otel.testing import behaviours


def seen_of(work):
    """Return what an application has of a failure: class, text, and every frame's function."""
    try:
        return repr(work())
    except Exception as exc:  # noqa: BLE001 - whichever it is
        return (
            type(exc),
            str(exc),
            [one.name for one in traceback.extract_tb(exc.__traceback__)],
            type(exc.__cause__),
            type(exc.__context__),
        )


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 keeps a frame of ours")
@pytest.mark.parametrize(
    ("behaviour", "options", "asked"),
    [
        (behaviours.refuse("together"), {}, {}),
        (behaviours.drop_connection(), {}, {}),
        (behaviours.custom(200, {"choices": 1}, foreign=True), {"base_url": "http://["}, {}),
        (behaviours.accept(), {"no_such_option": 1}, {}),
        (behaviours.accept(), {}, {"no_such_option": 1}),
        (behaviours.accept(), {"api_key": "e\u0301"}, {}),
        (behaviours.accept(), {"api_key": "a\n"}, {}),
    ],
    ids=["401", "dropped", "no URL", "option", "argument", "accented letter", "newline"],
)
def test_failures_at_another_host_show_no_frame_of_ours(lab, telemetry, behaviour, options, asked):
    """Nobody can tell that the instrumentation is on."""
    lab.server.always(behaviour)
    given = {"api_key": "sk-" + "a1B2" * 10, "base_url": lab.at(ELSEWHERE), **options}

    def work():
        return lab.chat(lab.client(**given), **asked)

    beside = seen_of(work)
    assert telemetry.spans() == telemetry.logs() == []
    uninstrument()
    assert seen_of(work) == beside


def test_patched_functions_look_as_before():
    """Inspected, pickled, and as a specification of a mock."""
    owners = (
        (openai.OpenAI, "__init__"),
        (openai.AsyncOpenAI, "__init__"),
        (openai._base_client.SyncAPIClient, "request"),
        (openai._base_client.AsyncAPIClient, "request"),
    )

    def looks():
        return [
            (
                inspect.signature(function),
                inspect.isfunction(function),
                inspect.iscoroutinefunction(function),
                inspect.getsource(function),
                function.__qualname__,
                function.__module__,
                function.__defaults__,
                function.__kwdefaults__,
                repr(function).partition(" at ")[0],
                type(mock.create_autospec(function)),
            )
            for function in (vars(owner)[name] for owner, name in owners)
        ]

    alone = looks()
    instrument()
    beside = looks()
    uninstrument()
    assert beside == alone


@pytest.mark.parametrize("host", [ELSEWHERE, TOGETHER])
def test_what_others_have_patched_before(lab, monkeypatch, host):
    """Their wrappers, most are wrapt's, are called with the client and the same arguments."""
    base, calls = openai._base_client, []

    def wrapper(wrapped, instance, args, kwargs):
        calls.append((type(instance), len(args), list(kwargs)))
        return wrapped(*args, **kwargs)

    for owner in (base.SyncAPIClient, base.AsyncAPIClient):
        for name in ("request", "_process_response"):
            monkeypatch.setattr(owner, name, wrapt.FunctionWrapper(vars(owner)[name], wrapper))

    def work():
        calls.clear()
        lab.chat(lab.client(api_key=lab.key, base_url=lab.at(host)))
        assert seen_of(lambda: lab.chat(lab.client(api_key="a", base_url=lab.at(host))))
        return list(calls)

    alone = work()
    instrument()
    try:
        assert work() == alone
    finally:
        uninstrument()


def test_a_failure_passes_at_most_two_frames_of_ours(lab, telemetry):
    assert telemetry
    for behaviour in (behaviours.refuse("together"), behaviours.drop_connection()):
        lab.server.always(behaviour)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - of the client
            lab.chat(lab.client(api_key=lab.key))
        ours = [one for one in caught.traceback if "together_otel/" in str(one.path)]
        assert len(ours) <= 2
