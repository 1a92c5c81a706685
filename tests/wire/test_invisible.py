"""An application that talks to other hosts cannot tell that the instrumentation is on."""

import asyncio
import importlib
import inspect
import pickle
import sys
import traceback
from unittest import mock

import httpx
import pytest
import requests
import wrapt
from libraries import PACKAGES

from together_otel import TogetherInstrumentor
from together_otel.calls.senders import SENDERS
from together_otel.testing import behaviours

PATCHED = [one for one in SENDERS if one.module.partition(".")[0] in PACKAGES]


def found(target):
    class_name, _, name = target.attribute.partition(".")
    return vars(getattr(importlib.import_module(target.module), class_name))[name]


def test_nothing_is_emitted(library, elsewhere, telemetry):
    for how in ("whole", "lines", "left", "unread"):
        for header in ("Bearer " + "sk-" + "a1" * 20, "Bearer a\n", "é"):
            library.ask(
                f"{elsewhere}/chat/completions",
                {"model": "m", "stream": how != "whole"},
                how=how,
                headers={"Authorization": header},
            )
    assert telemetry.spans() == []
    assert telemetry.logs() == []
    assert not telemetry.counter("together.client.requests")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 keeps one frame of the wrapper")
@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer a\n"}, {"Authorization": "é"}, {"a": object()}, {}],
    ids=["newline", "accented letter", "no text", "dropped"],
)
def test_exceptions_are_the_same(library, elsewhere, server, telemetry, headers):
    """Their class, text and every frame of their tracebacks."""
    assert telemetry
    server.always(behaviours.drop_connection())
    beside = library.ask(f"{elsewhere}/chat/completions", headers=headers)
    TogetherInstrumentor().uninstrument()
    alone = library.ask(f"{elsewhere}/chat/completions", headers=headers)
    assert beside.frames == alone.frames
    assert (beside.raised, beside.status) == (alone.raised, alone.status)
    assert beside.raised is not None or library.name == "aiohttp"


@pytest.mark.parametrize("target", PATCHED, ids=lambda one: f"{one.module}.{one.attribute}")
def test_the_function_looks_the_same(target):
    """Inspected, pickled, taken as a specification by unittest.mock; and it is put back."""
    original = found(target)
    TogetherInstrumentor().instrument()
    try:
        patched = found(target)
        assert patched is not original
        for of in (
            inspect.signature,
            inspect.getfullargspec,
            inspect.iscoroutinefunction,
            inspect.isfunction,
            inspect.getsource,
            inspect.getdoc,
            repr_without_address,
        ):
            assert of(patched) == of(original)
        for name in ("__name__", "__qualname__", "__module__", "__annotations__"):
            assert getattr(patched, name) == getattr(original, name)
        assert pickle.loads(pickle.dumps(patched)) is patched  # noqa: S301 - of our own
        assert type(mock.create_autospec(patched)) is type(mock.create_autospec(original))
    finally:
        TogetherInstrumentor().uninstrument()
    assert found(target) is original


@pytest.mark.parametrize("target", PATCHED, ids=lambda one: f"{one.module}.{one.attribute}")
@pytest.mark.parametrize("host", ["base", "elsewhere"])
def test_what_others_have_patched_before(target, host, library, key, monkeypatch, request):
    """Their wrappers, most are wrapt's, are called with the instance and the same arguments."""
    TogetherInstrumentor().uninstrument()
    class_name, _, name = target.attribute.partition(".")
    owner, calls = getattr(importlib.import_module(target.module), class_name), []

    def wrapper(wrapped, instance, args, kwargs):
        calls.append((type(instance).__name__, [type(one) for one in args], list(kwargs)))
        return wrapped(*args, **kwargs)

    monkeypatch.setattr(owner, name, wrapt.FunctionWrapper(vars(owner)[name], wrapper))
    url = f"{request.getfixturevalue(host)}/chat/completions"

    def asked():
        calls.clear()
        got = library.ask(url, headers={"Authorization": f"Bearer {key}"})
        assert got.status == 200
        return list(calls)

    alone = asked()
    TogetherInstrumentor().instrument()
    try:
        assert asked() == alone
    finally:
        TogetherInstrumentor().uninstrument()


def test_a_mock_that_was_there_before():
    """It has no instance, and is not to be called with one."""
    with mock.patch.object(httpx.Client, "send") as mocked, httpx.Client() as client:
        TogetherInstrumentor().instrument()
        client.get("http://api.example.com/")
        TogetherInstrumentor().uninstrument()
    assert [type(one) for one in mocked.call_args.args] == [httpx.Request]


def repr_without_address(function):
    return repr(function).partition(" at ")[0]


@pytest.mark.parametrize("url", [None, 7, b"https://\xff", "http://[", object(), "", "//a", " x"])
def test_what_is_no_url_fails_as_before(url, telemetry):
    """The look at the host comes first and never raises."""
    assert telemetry

    def raised():
        texts = []
        for ask in (requests.get, httpx.get, asking_aiohttp):
            try:
                ask(url)
            except Exception as exc:  # noqa: BLE001 - whichever it is
                names = [one.name for one in traceback.extract_tb(exc.__traceback__)]
                texts.append(f"{type(exc)} {names if sys.version_info >= (3, 11) else ()}")
        return texts

    beside = raised()
    TogetherInstrumentor().uninstrument()
    assert beside == raised()
    assert len(beside) == 3


def asking_aiohttp(url):
    import aiohttp

    async def ask():
        async with aiohttp.ClientSession() as session:
            await session.get(url)

    asyncio.run(ask())


def test_arguments_that_do_not_fit(telemetry):
    """The library's own TypeError, word for word."""
    assert telemetry

    def texts():
        found = []
        with httpx.Client() as client, requests.Session() as session:
            for call in (client.send, session.request, lambda: client.send(1, 2, 3)):
                with pytest.raises(TypeError) as caught:
                    call()
                found.append(str(caught.value))
        return found

    beside = texts()
    TogetherInstrumentor().uninstrument()
    assert beside == texts()


def test_a_host_that_only_sounds_like_together(telemetry):
    def answer(_request):
        return httpx.Response(401)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        for host in ("nottogether.ai", "together.ai.example.com", "together.xyzzy.com"):
            client.get(f"https://{host}/v1/models")
        assert telemetry.spans() == []
        for host in ("api.together.ai", "API.Together.XYZ", "together.ai", "a.b.together.xyz."):
            client.get(f"https://{host}/v1/models")
        assert len(telemetry.spans()) == 4
