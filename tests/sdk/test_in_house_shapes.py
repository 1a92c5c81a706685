"""In-house clients whose ``chat`` has any shape that Python has: unchanged, and recorded once.

The class's name says nothing about what a call gives, nor about how the class holds it.
"""

import asyncio
import concurrent.futures
import contextlib
import email.message
import gc
import types
import urllib.error

import pytest
import wrapt
from generation import MESSAGES, MODEL
from in_house import (
    HOLDERS,
    KINDS,
    NAMES,
    PIECES,
    RefusedError,
    Work,
    first_of,
    kind_of,
    once,
    read,
)
from opentelemetry import trace

# Of Python 3.13: it is to become a method.
pytestmark = pytest.mark.filterwarnings("ignore:functools.partial will be:FutureWarning")

shapes = pytest.mark.parametrize(
    ("name", "kind", "holder"),
    [(name, kind, holder) for name in NAMES for kind in KINDS for holder in HOLDERS],
)


@shapes
async def test_success(house, name, kind, holder):
    """The same kind of object, which does nothing before it is used; one span from end to end."""
    work = Work()
    client = house.build(name, HOLDERS[holder](work.functions[kind])).watch().client()
    with house.telemetry.tracer_provider.get_tracer("app").start_as_current_span("caller") as span:
        returned = client.chat("Hello")
        assert kind_of(returned) == kind
        if (
            kind != "value"
        ):  # in "coroutine '…' was never awaited", it is all there is to search for
            assert returned.__qualname__ == work.functions[kind].__qualname__
        assert bool(work.steps) == (kind == "value")
        if "generator" in kind:
            assert await first_of(returned) == PIECES[0]
        assert trace.get_current_span() is span
        assert bool(house.calls()) == (kind == "value")
        answer = await read(returned)

    assert answer == (PIECES[1:] if "generator" in kind else " ".join(PIECES))
    assert work.current == {"chat"}
    assert house.recorded() == once("success")


@shapes
async def test_refusal(house, name, kind, holder):
    """The caller gets the very exception, and it is counted and diagnosed once."""
    work = Work(RefusedError("no"))
    client = house.build(name, HOLDERS[holder](work.functions[kind])).watch().client()
    with pytest.raises(RefusedError) as caught:
        await read(client.chat("Hello"))

    assert caught.value is work.error
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert house.recorded() == once("auth_failure", "rejected", 401)


@pytest.mark.parametrize("error", [None, RefusedError("no"), asyncio.CancelledError()], ids=repr)
@pytest.mark.parametrize("where", ["task", "thread"])
async def test_future(house, where, error):
    """The caller gets the very future, which ends the call when it is done."""
    work, made = Work(error), []

    def chat(*_):
        if where == "task":
            made.append(asyncio.ensure_future(work.functions["coroutine"]()))
        else:
            made.append(pool.submit(work.functions["value"]))
            if isinstance(error, asyncio.CancelledError):
                made[0] = concurrent.futures.Future()
                made[0].cancel()
        return made[0]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        returned = house.build("TogetherAI", chat).watch().client().chat("Hello")
        assert returned is made[0]
        await asyncio.wait([returned if where == "task" else asyncio.wrap_future(returned)])
    if error is None:
        assert (returned.result(), house.recorded()) == (" ".join(PIECES), once("success"))
    elif isinstance(error, RefusedError):
        assert returned.exception() is error
        assert house.recorded() == once("auth_failure", "rejected", 401)
    else:
        assert house.recorded() == once("cancelled")


@pytest.mark.parametrize("holder", HOLDERS)
def test_each_call_is_recorded(house, holder):
    """A client's second call is recorded like its first, and so is one through the class."""
    client = house.build("TogetherAI", HOLDERS[holder](Work().functions["value"])).watch().client()
    assert [client.chat("Hello"), client.chat("Hello")] == [" ".join(PIECES)] * 2
    if holder == "method":
        house.cls.chat(client, "Hello")
    assert len(house.calls()) == 2 + (holder == "method")


@pytest.mark.parametrize("how", ["close", "drop"])
@pytest.mark.parametrize("kind", ["generator", "async generator"])
@pytest.mark.parametrize("name", NAMES)
async def test_left_early(house, name, kind, how):
    """A generator that its caller leaves runs its ``finally``, and the call is abandoned."""
    work = Work()
    returned = house.build(name, work.functions[kind]).watch().client().chat("Hello")
    await first_of(returned)
    if how == "close":
        closing = returned.close() if kind == "generator" else returned.aclose()
        assert await read(closing) is None
    del returned
    gc.collect()
    for _ in range(2):  # asyncio closes what was dropped in a task
        await asyncio.sleep(0)

    assert work.steps == ["begun", "left"]
    assert house.recorded() == once("abandoned")


@pytest.mark.parametrize("kind", ["generator", "async generator", "coroutine"])
async def test_never_used(house, kind):
    """What is closed before its first step does nothing, and leaves no span open."""
    work = Work()
    returned = house.build("TogetherAI", work.functions[kind]).watch().client().chat("Hello")
    await read(returned.aclose() if kind == "async generator" else returned.close())
    assert work.steps == []
    assert house.balance.open == 0


@pytest.mark.parametrize("kind", ["coroutine", "async generator"])
@pytest.mark.parametrize("name", NAMES)
async def test_cancelled(house, name, kind):
    """A task that is cancelled while ``chat`` waits for the server."""
    at_work = asyncio.Event()

    async def waiting(_self, _prompt):
        at_work.set()
        await asyncio.Event().wait()

    async def streaming(self, prompt):
        await waiting(self, prompt)
        yield

    client = house.build(name, waiting if kind == "coroutine" else streaming).watch().client()
    tasks = [asyncio.ensure_future(one) for one in (read(client.chat("Hello")), at_work.wait())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert house.recorded() == once("cancelled")


def returning(function):
    """Return a plain function, as a decorator does, which says nothing of what is inside it."""

    def chat(self, prompt):
        return function(self, prompt)

    return chat


@pytest.mark.parametrize("error", [None, RefusedError("no")], ids=["success", "refusal"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_plain_function_that_returns_any_kind(house, kind, error):
    """The call is one, from the function's start to the end of what it returned."""
    function = Work(error).functions[kind]
    client = house.build("TogetherAI", returning(function)).watch().client()
    with pytest.raises(RefusedError) if error else contextlib.nullcontext():
        returned = client.chat("Hello")
        assert kind_of(returned) == kind
        assert await read(returned) == (PIECES if "generator" in kind else " ".join(PIECES))
    expected = ("auth_failure", "rejected", 401) if error else ("success",)
    assert house.recorded() == once(*expected)


@pytest.mark.parametrize("kind", ["generator", "async generator", "coroutine"])
async def test_what_a_plain_function_returns_is_never_used(house, kind):
    """The function itself may have asked the server: the call has begun, and is left."""
    function = Work().functions[kind]
    client = house.build("TogetherAI", returning(function)).watch().client()
    returned = client.chat("Hello")
    await read(returned.aclose() if kind == "async generator" else returned.close())
    del returned
    gc.collect()
    assert house.recorded() == once("abandoned")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refusal_is_logged_though_recovery_cannot_help(house, monkeypatch, kind):
    """The log of a refusal waits for recovery only where a call is made again."""
    monkeypatch.setenv("TOGETHER_OTEL_RECOVERY", "environment")
    function = Work(RefusedError("no")).functions[kind]
    client = house.build("TogetherAI", returning(function)).watch().client()
    with pytest.raises(RefusedError):
        await read(client.chat("Hello"))
    assert house.recorded() == once("auth_failure", "rejected", 401)


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_of_no_known_kind_is_handed_on(house, name):
    """An iterator, a task, a namespace: the caller gets the very object."""
    task = asyncio.ensure_future(asyncio.sleep(0))
    for given in (iter(PIECES), task, len, object()):
        house.build(name, lambda _self, _prompt, given=given: given).watch()
        assert house.client().chat("Hello") is given
        held = types.SimpleNamespace(completions=given)
        house.build(name, property(lambda _self, held=held: held)).watch()
        assert house.client().chat.completions is given
        assert isinstance(house.client().chat, types.SimpleNamespace)
    await task
    assert house.balance.open == 0


def status_errors(status):
    """Yield what ``raise_for_status()`` of each HTTP library that is installed raises."""
    address = "https://api.together.xyz/v1/chat/completions"
    with contextlib.suppress(ImportError):
        import httpx  # noqa: PLC0415 - not with together 1.x

        request = httpx.Request("POST", address)
        answer = httpx.Response(status, request=request)
        yield httpx.HTTPStatusError("refused", request=request, response=answer)
    with contextlib.suppress(ImportError):
        import requests  # noqa: PLC0415 - with together 1.x only

        refused = requests.Response()
        refused.status_code = status
        yield requests.HTTPError("refused", response=refused)
    with contextlib.suppress(ImportError):
        import aiohttp  # noqa: PLC0415 - not everywhere
        import yarl  # noqa: PLC0415 - aiohttp's

        url = yarl.URL(address)
        info = aiohttp.RequestInfo(url, "POST", {}, url)  # type: ignore[arg-type]  # no headers
        yield aiohttp.ClientResponseError(info, (), status=status, message="refused")
    yield urllib.error.HTTPError(address, status, "refused", email.message.Message(), None)


OUTCOMES = {401: "auth_failure", 403: "client_error", 429: "rate_limited", 503: "server_error"}


@pytest.mark.parametrize("wrapped", [False, True], ids=["let through", "wrapped"])
@pytest.mark.parametrize(
    "error",
    [error for status in OUTCOMES for error in status_errors(status)],
    ids=lambda error: type(error).__module__.partition(".")[0],
)
def test_status_errors_of_http_libraries(house, error, wrapped):
    """What ``raise_for_status()`` raises, or an in-house error without a status raised from it."""

    def chat(_self, _prompt):
        if wrapped:
            raise RuntimeError("chat failed") from error
        raise error

    house.build("TogetherAI", chat).watch()
    with pytest.raises(RuntimeError if wrapped else type(error)):
        house.client().chat("Hello")
    status = getattr(getattr(error, "response", error), "status_code", None) or error.status
    cause = "rejected" if status == 401 else None
    assert house.recorded() == once(OUTCOMES[status], cause, status)


def test_a_status_that_an_error_calls_its_code(house):
    """As tornado does, though the client raises an error of its own from that."""

    class HttpError(Exception):
        code = 401

    def chat(_self, _prompt):
        raise RuntimeError("chat failed") from HttpError()

    house.build("TogetherAI", chat).watch()
    with pytest.raises(RuntimeError):
        house.client().chat("Hello")
    assert house.recorded() == once("auth_failure", "rejected", 401)


def test_a_stream_over_the_sdk_is_counted_once(house, sdk, server, key):
    """An in-house generator made of the SDK's stream: the inner call is the one that counts."""
    inner = sdk.client(api_key=key)
    options = {"model": MODEL, "messages": MESSAGES, "stream": True}

    def streaming(_self, _prompt):
        yield from inner.chat.completions.create(**options)

    async def async_streaming(_self, _prompt):
        async for chunk in await inner.chat.completions.create(**options):
            yield chunk

    house.build("TogetherAI", async_streaming if sdk.is_async else streaming).watch()
    assert len(sdk.read(house.client().chat("Hello"))) > 2
    server.revoke(key)
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.read(house.client().chat("Hello"))

    recorded = house.recorded()
    assert recorded["requests"] == {"success": 1, "auth_failure": 1}
    assert (recorded["failures"], recorded["events"]) == ({"revoked": 1}, 1)


@pytest.mark.parametrize("error", [None, RefusedError("no")], ids=["success", "refusal"])
async def test_a_generator_behind_a_coroutine_ends_the_call(house, error):
    """The coroutine is done and gone long before what it gave is read."""
    streaming = Work(error).functions["async generator"]

    async def waiting(self, prompt):
        return streaming(self, prompt)

    client = house.build("TogetherAI", returning(waiting)).watch().client()
    returned = await client.chat("Hello")
    gc.collect()
    assert await first_of(returned) == PIECES[0]
    assert house.calls() == []
    with pytest.raises(RefusedError) if error else contextlib.nullcontext():
        await read(returned)
    expected = ("auth_failure", "rejected", 401) if error else ("success",)
    assert house.recorded() == once(*expected)


@pytest.mark.parametrize("kind", ["generator", "async generator"])
async def test_left_early_without_a_word(house, kind):
    """A generator may return where it is closed, instead of passing that on."""

    def streaming(*_):
        with contextlib.suppress(GeneratorExit):
            yield from PIECES

    async def async_streaming(*_):
        with contextlib.suppress(GeneratorExit):
            for piece in PIECES:
                yield piece

    chat = streaming if kind == "generator" else async_streaming
    returned = house.build("TogetherAI", chat).watch().client().chat("Hello")
    await first_of(returned)
    await read(returned.close() if kind == "generator" else returned.aclose())
    assert house.recorded() == once("abandoned")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_decorator_that_returns_something_else(house, kind):
    """One of wrapt's looks like the function that it is around, whatever it returns."""
    decorator = wrapt.decorator(lambda chat, _client, args, kwargs: [chat(*args, **kwargs)])
    chat = decorator(Work().functions[kind])
    (returned,) = house.build("TogetherAI", chat).watch().client().chat("Hello")
    assert kind_of(returned) == kind
    await read(returned)
    assert house.recorded() == once("success")


async def test_calls_beside_one_another_inside_another(house):
    """Each is recorded; only what they are inside of is not."""

    async def chat(self, prompt):
        if prompt == "all":
            prompts = ("one", "refused", "two")
            return await asyncio.gather(*map(self.chat, prompts), return_exceptions=True)
        await asyncio.sleep(0)
        if prompt == "refused":
            raise RefusedError("no")
        return prompt

    await house.build("AsyncTogetherAI", chat).watch().client().chat("all")
    recorded = house.recorded()
    assert recorded["requests"] == {"success": 2, "auth_failure": 1}
    assert sum(recorded["failures"].values()) == 1
    assert recorded["open spans"] == 0


class Later:
    """What a call gives that does its work when it is awaited or entered."""

    def __init__(self, error):
        self._error, self.steps = error, []

    def work(self):
        self.steps.append(getattr(trace.get_current_span(), "name", ""))
        if self._error:
            raise self._error

    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        self.work()

    def __enter__(self):
        self.work()
        return self

    def __exit__(self, *_):
        pass

    async def __aenter__(self):
        await asyncio.sleep(0)
        self.work()
        return self

    async def __aexit__(self, *_):
        pass


async def waits(later):
    await later


async def enters(later):
    with later:
        pass


async def enters_async(later):
    async with later:
        pass


def manager(later):
    @contextlib.contextmanager
    def entered():
        later.work()
        yield

    return entered()


def async_manager(later):
    @contextlib.asynccontextmanager
    async def entered():
        await asyncio.sleep(0)
        later.work()
        yield

    return entered()


@pytest.mark.parametrize("error", [None, RefusedError("no")], ids=["success", "refusal"])
@pytest.mark.parametrize(
    ("use", "make"),
    [
        (waits, None),
        (enters, None),
        (enters_async, None),
        (enters, manager),
        (enters_async, async_manager),
    ],
)
async def test_what_is_awaited_or_entered(house, use, make, error):
    """The call ends there, once, whatever the caller does with the object afterwards."""
    later = Later(error)
    made = later if make is None else make(later)
    returned = house.build("TogetherAI", lambda *_: made).watch().client().chat("Hello")
    assert returned is made
    assert house.calls() == []
    with pytest.raises(RefusedError) if error else contextlib.nullcontext():
        await use(returned)
    expected = ("auth_failure", "rejected", 401) if error else ("success",)
    assert (later.steps, house.recorded()) == (["chat"], once(*expected))
    if make is None and not error:
        await use(returned)
        assert house.recorded() == once("success")


def test_an_answer_that_may_be_entered(house):
    """Its class does not say that there is work left, and stays as it is."""

    class Reply:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    returned = house.build("TogetherAI", lambda *_: Reply()).watch().client().chat("Hello")
    assert type(returned) is Reply
    assert house.recorded() == once("success")


def test_what_is_never_awaited_or_entered(house):
    """The call is left when the object is."""
    client = house.build("TogetherAI", lambda *_: Later(None)).watch().client()
    client.chat("Hello")
    gc.collect()
    assert house.recorded() == once("abandoned")


def test_what_cannot_be_observed(house):
    """An object without weak references: the call ends at its return."""

    class Slotted:
        __slots__ = ()

        def __await__(self):
            yield

    returned = house.build("TogetherAI", lambda *_: Slotted()).watch().client().chat("Hello")
    assert type(returned) is Slotted
    assert house.recorded() == once("success")
