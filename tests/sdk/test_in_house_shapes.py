"""In-house clients whose ``chat`` has any shape that Python has: unchanged, and recorded once.

The class's name says nothing about what a call gives, nor about how the class holds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import types
from typing import TYPE_CHECKING, Any

import pytest
from in_house import (
    HOLDERS,
    KINDS,
    PIECES,
    House,
    RefusedError,
    Work,
    first_of,
    kind_of,
    once,
    read,
)
from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator


# Of Python 3.13: it is to become a method.
pytestmark = pytest.mark.filterwarnings("ignore:functools.partial will be:FutureWarning")


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, key: str) -> Iterator[House]:
    """An in-house package, to be built."""
    made = House(monkeypatch, key)
    yield made
    made.close()


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize(("name", "kind"), [("TogetherAI", "value")])
async def test_success(house: House, name: str, kind: str, holder: str) -> None:
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


@pytest.mark.parametrize("holder", ["method", "property", "cached property"])
@pytest.mark.parametrize(
    ("name", "kind"), [("TogetherAI", "value"), ("AsyncTogetherAI", "coroutine")]
)
async def test_refusal(house: House, name: str, kind: str, holder: str) -> None:
    """The caller gets the very exception, and it is counted and diagnosed once."""
    work = Work(RefusedError("no"))
    client = house.build(name, HOLDERS[holder](work.functions[kind])).watch().client()
    with pytest.raises(RefusedError) as caught:
        await read(client.chat("Hello"))

    assert caught.value is work.error
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert house.recorded() == once("auth_failure", "rejected", 401)


@pytest.mark.parametrize("holder", sorted({*HOLDERS} - {"cached property"}))
def test_each_call_is_recorded(house: House, holder: str) -> None:
    """A client's second call is recorded like its first, and so is one through the class."""
    client = house.build("TogetherAI", HOLDERS[holder](Work().functions["value"])).watch().client()
    assert [client.chat("Hello"), client.chat("Hello")] == [" ".join(PIECES)] * 2
    if holder == "method":
        house.cls.chat(client, "Hello")
    assert len(house.calls()) == 2 + (holder == "method")


@pytest.mark.parametrize("kind", ["generator", "async generator", "coroutine"])
async def test_never_used(house: House, kind: str) -> None:
    """What is closed before its first step does nothing, and leaves no span open."""
    work = Work()
    returned = house.build("TogetherAI", work.functions[kind]).watch().client().chat("Hello")
    await read(returned.aclose() if kind == "async generator" else returned.close())
    assert work.steps == []
    assert house.balance.open == 0


@pytest.mark.parametrize(("name", "kind"), [("AsyncTogetherAI", "coroutine")])
async def test_cancelled(house: House, name: str, kind: str) -> None:
    """A task that is cancelled while ``chat`` waits for the server."""
    at_work = asyncio.Event()

    async def waiting(_self: Any, _prompt: str) -> None:
        at_work.set()
        await asyncio.Event().wait()

    async def streaming(self: Any, prompt: str) -> AsyncGenerator[None, None]:
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


@pytest.mark.parametrize(
    ("kind", "error"), [("value", RefusedError("no")), *((kind, None) for kind in KINDS)]
)
async def test_a_plain_function_that_returns_any_kind(
    house: House, kind: str, error: RefusedError | None
) -> None:
    """A decorator's, which says nothing of what is inside it."""
    function = Work(error).functions[kind]

    def chat(self: Any, prompt: str) -> Any:
        return function(self, prompt)

    client = house.build("TogetherAI", chat).watch().client()
    with pytest.raises(RefusedError) if error else contextlib.nullcontext():
        returned = client.chat("Hello")
        assert kind_of(returned) == kind
        assert await read(returned) == (PIECES if "generator" in kind else " ".join(PIECES))
    expected = ("auth_failure", "rejected", 401) if error else ("success",)
    assert house.recorded() == once(*expected)


@pytest.mark.parametrize("name", ["TogetherAI"])
async def test_what_is_of_no_known_kind_is_handed_on(house: House, name: str) -> None:
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
