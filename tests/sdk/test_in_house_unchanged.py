"""What the application has of an in-house client, to the letter, is what it has without us."""

import contextlib
import inspect
import types

import pytest
from frames import passed_by
from generation import leaks
from in_house import HOLDERS, KINDS, Work, read
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

# Of Python 3.13: it is to become a method.
pytestmark = pytest.mark.filterwarnings("ignore:functools.partial will be:FutureWarning")


def talking(_self, _prompt):
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


async def async_talking(_self, _prompt):
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


async def outcome_of(action):
    """Return what an action gives, or how it fails, to be compared."""
    try:
        return await action()
    except BaseException as exc:  # noqa: BLE001 - whichever it is
        chained = type(exc.__context__), type(exc.__cause__)
        return type(exc), exc.args, getattr(exc, "value", None), *chained


TALKS = [
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
async def test_generators_protocol(house, chat, talk, begun):
    """``send``, ``throw``, ``close``, names and the value returned are as without us."""

    async def transcript():
        returned = house.client().chat("Hello")
        prefix = "a" if inspect.isasyncgen(returned) else ""

        async def take(step, *given):
            got = getattr(returned, prefix + step)(*given)
            return await got if prefix else got

        steps = [("send", None)] * begun + talk
        heard = [await outcome_of(lambda step=step: take(*step)) for step in steps]
        return [*heard, returned.__name__, returned.__qualname__]

    house.build("TogetherAI", chat)
    without = await transcript()
    house.watch()
    assert await transcript() == without


async def test_generator_that_may_be_awaited(house):
    """``types.coroutine`` makes one, which is as good as a coroutine."""

    @types.coroutine
    def waiting(_self, prompt):
        yield
        return prompt

    house.build("AsyncTogetherAI", waiting).watch()
    assert await house.client().chat("Hello") == "Hello"
    assert len(house.calls()) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arguments", [(), ("Hello", "again")], ids=["none", "too many"])
async def test_wrong_arguments_fail_at_the_call(house, kind, arguments):
    """Not when the result is used, which may be elsewhere or never."""

    def whole(_self, _prompt): ...
    async def waiting(_self, _prompt): ...

    functions = dict(zip(KINDS, (whole, waiting, talking, async_talking), strict=True))
    house.build("AsyncTogetherAI", functions[kind])

    async def call():
        return house.client().chat(*arguments)

    without = await outcome_of(call)
    assert without[0] is TypeError
    house.watch()
    assert await outcome_of(call) == without


@pytest.mark.parametrize("holder", HOLDERS)
async def test_an_argument_named_self(house, holder):
    """It may have any name, those of our own functions' included."""

    async def chat(*_, self):
        return self

    client = house.build("TogetherAI", HOLDERS[holder](chat)).watch().client()
    assert await client.chat(self="Hello") == "Hello"
    assert len(house.calls()) == 1


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
def test_introspection(house, kind, holder):
    """What ``inspect`` says of the class's attribute and of the client's is as without us."""
    house.build("TogetherAI", HOLDERS[holder](Work().functions[kind]))

    def facts():
        attributes = house.client().chat, house.cls.chat
        found = [ask(attribute) for attribute in attributes for ask in ASKED]
        with contextlib.suppress(AttributeError):  # as a property has no setter
            house.client().chat = None
            found.append("set")
        return found

    without = facts()
    house.watch()
    assert facts() == without


is_suppressed = pytest.mark.parametrize(
    "around", [contextlib.nullcontext, suppress_instrumentation], ids=["on", "suppressed"]
)


@is_suppressed
@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("kind", KINDS)
async def test_traceback(house, key, kind, holder, around):
    """A failure passes one frame of ours, which shows neither an argument nor the client's key."""
    error = ValueError("no")
    house.build("TogetherAI", HOLDERS[holder](Work(error).functions[kind])).watch()
    with pytest.raises(ValueError, match="no") as caught, around():
        await read(house.client().chat("a secret"))
    ours = [frame.f_locals for frame in passed_by(caught.value)]
    assert len(ours) <= 1
    assert leaks(str(ours), key) == []
    assert "a secret" not in str(ours)


@is_suppressed
def test_traceback_of_a_constructor(house, key, around):
    """The same, of one that has kept its key already."""
    house.build("TogetherAI", None).watch()
    with pytest.raises(ValueError, match="no") as caught, around():
        house.client(error=ValueError("no"))
    ours = [frame.f_locals for frame in passed_by(caught.value)]
    assert len(ours) <= 1
    assert leaks(str(ours), key) == []


@pytest.mark.parametrize("holder", HOLDERS)
def test_traceback_of_a_call_inside_another(house, sdk, server, key, holder):
    """A refusal passes two frames of ours at most."""
    server.revoke(key)
    inner = sdk.client(api_key=key)

    def chat(*_):
        yield sdk.chat(inner)

    house.build("TogetherAI", HOLDERS[holder](chat)).watch()
    with pytest.raises(Exception, match="Invalid API key") as caught:
        next(house.client().chat("Hello"))
    assert 1 <= len(passed_by(caught.value)) <= 2


def test_traceback_of_an_interrupt_inside_another(house):
    """It leads to where the interrupt came, beyond a generator that we watch."""

    def pieces():
        yield "Hello"
        raise KeyboardInterrupt

    def chat(self, prompt):
        return list(self.chat("")) if prompt else pieces()

    house.build("TogetherAI", chat).watch()
    with pytest.raises(KeyboardInterrupt) as caught:
        house.client().chat("Hello")
    assert [entry.name for entry in caught.traceback if entry.name in ("chat", "pieces")] == [
        "chat",
        "pieces",
    ]


@pytest.mark.parametrize("deep", ["", "deep"])
@pytest.mark.parametrize("kind", ["generator", "async generator"])
async def test_a_span_round_the_pieces(house, kind, deep):
    """What a generator makes current stays so from piece to piece, and not beyond its end."""
    tracer = house.telemetry.tracer_provider.get_tracer("application")

    def chat(self, prompt):
        with tracer.start_as_current_span("work") as span:
            yield trace.get_current_span() is span
            if prompt:
                yield from self.chat("")
            yield trace.get_current_span() is span

    async def async_chat(self, prompt):
        with tracer.start_as_current_span("work") as span:
            yield trace.get_current_span() is span
            if prompt:
                async for piece in self.chat(""):
                    yield piece
            yield trace.get_current_span() is span

    house.build("TogetherAI", chat if kind == "generator" else async_chat).watch()
    with tracer.start_as_current_span("caller") as span:
        assert set(await read(house.client().chat(deep))) == {True}
        assert trace.get_current_span() is span
