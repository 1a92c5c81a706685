"""What the application has of an in-house client, to the letter, is what it has without us."""

from __future__ import annotations

import contextlib
import inspect
import traceback
import types
from typing import TYPE_CHECKING, Any

import pytest
from in_house import HOLDERS, KINDS, House, Work, read

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator

# Of Python 3.13: it is to become a method.
pytestmark = pytest.mark.filterwarnings("ignore:functools.partial will be:FutureWarning")


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, key: str) -> Iterator[House]:
    """An in-house package, to be built."""
    made = House(monkeypatch, key)
    yield made
    made.close()


def talking(_self: Any, _prompt: str) -> Generator[str, str, str]:
    """Answer what is sent, take ``ValueError`` well, and say goodbye to nothing at all."""
    said = yield "Hello"
    while said:
        try:
            said = yield said.upper()
        except ValueError as exc:
            said = yield f"caught {exc}"
        except GeneratorExit:
            if said == "stay":
                yield "no"
            raise
    return "bye"


async def async_talking(_self: Any, _prompt: str) -> AsyncGenerator[str, str]:
    """Do the same."""
    said = yield "Hello"
    while said:
        try:
            said = yield said.upper()
        except ValueError as exc:
            said = yield f"caught {exc}"
        except GeneratorExit:
            if said == "stay":
                yield "no"
            raise


async def outcome_of(action: Callable[[], Awaitable[Any]]) -> Any:
    """Return what an action gives, or how it fails, to be compared."""
    try:
        return await action()
    except BaseException as exc:  # noqa: BLE001 - whichever it is
        chained = type(exc.__context__), type(exc.__cause__)
        return type(exc), exc.args, getattr(exc, "value", None), *chained


TALKS: list[list[tuple[Any, ...]]] = [
    [("send", "a"), ("throw", ValueError("x")), ("send", "b"), ("send", "")],
    [("throw", KeyError("k")), ("send", None)],
    [("send", "a"), ("throw", KeyError("k"))],
    [("close",), ("send", None), ("close",)],
    [("send", "stay"), ("close",)],
    [("send", 1), ("send", None)],
    [("throw", StopIteration("s"))],
    [("throw", StopAsyncIteration("s"))],
    [("send", "a"), ("throw", GeneratorExit())],
    [("send", "stay"), ("throw", GeneratorExit())],
]


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: "-".join(step[0] for step in talk))
@pytest.mark.parametrize("chat", [talking, async_talking])
async def test_generators_protocol(
    house: House,
    chat: Callable[..., Any],
    talk: list[tuple[Any, ...]],
    begun: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    """``send``, ``throw``, ``close``, names and the value returned are as without us."""

    async def transcript() -> list[Any]:
        returned = house.client().chat("Hello")
        prefix = "a" if inspect.isasyncgen(returned) else ""

        async def take(step: str, *given: Any) -> Any:
            got = getattr(returned, prefix + step)(*given)
            return await got if prefix else got

        steps = [("send", None)] * begun + talk
        heard = [await outcome_of(lambda step=step: take(*step)) for step in steps]
        return [*heard, returned.__name__, returned.__qualname__]

    house.build("TogetherAI", chat)
    without = await transcript()
    house.watch()
    assert await transcript() == without


async def test_generator_that_may_be_awaited(house: House) -> None:
    """``types.coroutine`` makes one, which is as good as a coroutine."""

    @types.coroutine
    def waiting(_self: Any, prompt: str) -> Generator[None, None, str]:
        yield
        return prompt

    house.build("AsyncTogetherAI", waiting).watch()
    assert await house.client().chat("Hello") == "Hello"
    assert len(house.calls()) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arguments", [(), ("Hello", "again")], ids=["none", "too many"])
async def test_wrong_arguments_fail_at_the_call(
    house: House, kind: str, arguments: tuple[str, ...]
) -> None:
    """Not when the result is used, which may be elsewhere or never."""

    def whole(_self: Any, _prompt: str) -> None: ...
    async def waiting(_self: Any, _prompt: str) -> None: ...

    functions = dict(zip(KINDS, (whole, waiting, talking, async_talking), strict=True))
    house.build("AsyncTogetherAI", functions[kind])

    async def call() -> Any:
        return house.client().chat(*arguments)

    without = await outcome_of(call)
    assert without[0] is TypeError
    house.watch()
    assert await outcome_of(call) == without


ASKED = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
    inspect.ismethod,
    inspect.isroutine,
    callable,
    lambda attribute: attribute.__class__,
    lambda attribute: [getattr(attribute, name, None) for name in ("__name__", "__doc__")],
    lambda attribute: callable(attribute) and str(inspect.signature(attribute)),
)


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_introspection(house: House, kind: str, holder: str) -> None:
    """What ``inspect`` says of the class's attribute and of the client's is as without us."""
    house.build("TogetherAI", HOLDERS[holder](Work().functions[kind]))

    def facts() -> list[Any]:
        attributes = house.client().chat, house.cls.chat
        found = [ask(attribute) for attribute in attributes for ask in ASKED]
        with contextlib.suppress(AttributeError):  # as a property has no setter
            house.client().chat = None
            found.append("set")
        return found

    without = facts()
    house.watch()
    assert facts() == without


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("kind", KINDS)
async def test_traceback(house: House, kind: str, holder: str) -> None:
    """A failure passes at most two frames of ours, and they show no argument."""
    error = ValueError("no")
    house.build("TogetherAI", HOLDERS[holder](Work(error).functions[kind])).watch()
    with pytest.raises(ValueError, match="no") as caught:
        await read(house.client().chat("a secret"))
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [one for one in frames if one.f_globals["__name__"].startswith("together_otel.")]
    assert len(ours) <= 2
    assert "a secret" not in str([one.f_locals for one in ours])
