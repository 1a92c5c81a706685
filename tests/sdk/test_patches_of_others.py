"""Plain functions that others put in place of the SDK's, beneath our patch or round an earlier one."""

import importlib
from dataclasses import replace

import pytest
from generation import GENERATION, made_up_key
from steps import chat, each, only_call, tell

from together_otel import instrument, uninstrument
from together_otel.calls import patching
from together_otel.calls.patches import is_patch
from together_otel.calls.targets import TARGETS
from together_otel.guard import Guard
from together_otel.testing import CapturedTelemetry

METHODS = {
    (False, 1): ("together.abstract.api_requestor", "APIRequestor", "request"),
    (True, 1): ("together.abstract.api_requestor", "APIRequestor", "arequest"),
    (False, 2): ("together._base_client", "SyncAPIClient", "request"),
    (True, 2): ("together._base_client", "AsyncAPIClient", "request"),
}


@pytest.fixture(params=["beneath", "round"])
def telemetry(request, sdk, monkeypatch):
    """What is emitted with such a function in place, put there before us or between two times."""
    module, class_name, name = METHODS[sdk.is_async, min(GENERATION, 2)]
    owner = getattr(importlib.import_module(module), class_name)
    with CapturedTelemetry() as captured:
        given = {
            "tracer_provider": captured.tracer_provider,
            "meter_provider": captured.meter_provider,
        }
        if request.param == "round":
            instrument(**given)
        original = vars(owner)[name]

        def replacement(*args, **kwargs):
            return original(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, replacement)
            uninstrument()
            instrument(**given)
            yield captured
            uninstrument()


@pytest.mark.parametrize("stream", [False, True])
def test_a_success_is_recorded_once(stream, sdk, key, telemetry):
    """An async function's coroutine that a plain one returns is the call, from begin to end."""
    client = sdk.client(api_key=key)

    async def story():
        answer = await chat(client, stream=stream)
        return [chunk async for chunk in each(answer)] if stream else answer

    assert tell(sdk, story)
    assert only_call(telemetry)["together.request.outcome"] == "success"


def test_a_refusal_is_recorded_once(sdk, telemetry):
    """And has its own cause: nothing was accepted before."""
    client = sdk.client(api_key=made_up_key("R"))
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)

    assert only_call(telemetry)["together.auth.cause"] == "rejected"
    assert telemetry.counter("together.client.auth.failures") == 1


def test_a_patch_that_fails_takes_no_other_with_it(sdk, monkeypatch):
    """Each is put on in a guard of its own."""
    monkeypatch.setattr(Guard, "raising", False)
    module = METHODS[sdk.is_async, min(GENERATION, 2)][0]
    of_module = [one for one in TARGETS if one.module == module]
    broken = [replace(one, make=None) if one is of_module[0] else one for one in TARGETS]
    monkeypatch.setattr(patching, "TARGETS", tuple(broken))
    importlib.import_module(module)
    instrument()
    try:
        patched = [one for one in of_module if is_patched(one)]
    finally:
        uninstrument()
    assert patched == of_module[1:]


def is_patched(target):
    """Tell whether something of ours is in a target's place."""
    class_name, _, name = target.attribute.partition(".")
    owner = getattr(importlib.import_module(target.module), class_name)
    return is_patch(vars(owner)[name])
