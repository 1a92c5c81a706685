"""In-house clients of any shape, made at run time: what a call gives, and how a class holds it."""

import asyncio
import contextlib
import functools
import importlib.machinery
import inspect
import sys
import types

from generation import leaks
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

from together_otel import TogetherInstrumentor
from together_otel.testing import CapturedTelemetry

AUTH_FAILED = "together.client.auth_failed"
PIECES = ["Hello", "there"]
NAMES = ["TogetherAI", "AsyncTogetherAI"]


class RefusedError(Exception):
    """The in-house package's own error, of no name that says what it is."""

    status_code = 401


class Balance(SpanProcessor):
    """Counts the spans that were started and have not ended."""

    open = 0

    def on_start(self, span, parent_context=None):  # noqa: ARG002 - the SDK's
        self.open += 1

    def on_end(self, span):  # noqa: ARG002 - the SDK's
        self.open -= 1


class House:
    """An in-house package ``together_ai``, with the instrumentation on from ``watch()`` on."""

    def __init__(self, monkeypatch, key):
        self._monkeypatch, self._key = monkeypatch, key
        self.telemetry, self.balance = CapturedTelemetry(), Balance()
        self.telemetry.tracer_provider.add_span_processor(self.balance)
        self.cls = None

    def build(self, name, chat, attribute="api_key"):
        """Make the package's one client class, with ``chat`` in its body.

        ``attribute`` is where it keeps its key, which it shows, as a dataclass would.
        """

        def init(self, api_key, *, error=None):
            setattr(self, attribute, api_key)
            if error is not None:
                raise error

        module = types.ModuleType("together_ai")
        module.__spec__ = importlib.machinery.ModuleSpec("together_ai", None)
        body = {"__init__": init, "__repr__": lambda self: str(vars(self)), "chat": chat}
        self.cls = type(name, (), {"__module__": "together_ai", **body})
        setattr(module, name, self.cls)
        self._monkeypatch.setitem(sys.modules, "together_ai", module)
        return self

    def watch(self):
        """Turn the instrumentation on."""
        TogetherInstrumentor().instrument(
            tracer_provider=self.telemetry.tracer_provider,
            meter_provider=self.telemetry.meter_provider,
        )
        return self

    def client(self, **options):
        return self.cls(api_key=self._key, **options)

    def calls(self):
        """Return the spans of calls that have ended."""
        return [span for span in self.telemetry.spans() if span["name"].startswith("chat")]

    def recorded(self):
        """Return what was recorded of calls, to be compared with ``once(…)``."""
        attributes = [span["attributes"] for span in self.calls()]
        names = ("together.request.outcome", "together.auth.cause", "http.response.status_code")
        return {
            "spans": [[one.get(name) for name in names] for one in attributes],
            "open spans": self.balance.open,
            "requests": self._counted("together.client.requests", "together.request.outcome"),
            "failures": self._counted("together.client.auth.failures", "together.auth.cause"),
            "events": [log["event_name"] for log in self.telemetry.logs()].count(AUTH_FAILED),
            "leaks": leaks(self.telemetry.everything(), self._key),
        }

    def _counted(self, metric, by):
        points = self.telemetry.metrics().get(metric, [])
        return {point["attributes"][by]: point["value"] for point in points if point["value"]}

    def close(self):
        TogetherInstrumentor().uninstrument()
        self.telemetry.shutdown()


def once(outcome, cause=None, status=None):
    """Return what is to be recorded of one call."""
    return {
        "spans": [[outcome, cause, status]],
        "open spans": 0,
        "requests": {outcome: 1},
        "failures": {} if cause is None else {cause: 1},
        "events": int(cause is not None),
        "leaks": [],
    }


class Work:
    """What ``chat`` does, as a function of each kind.

    ``error`` is raised at the end. ``steps`` has what was done so far; ``current`` the names of
    the spans that were current meanwhile.
    """

    def __init__(self, error=None):
        self.error, self.steps, self.current = error, list[str](), set[str]()

        def whole(*_):
            with self.at_work():
                return " ".join(PIECES)

        async def waiting(*_):
            with self.at_work():
                await asyncio.sleep(0)
                return " ".join(PIECES)

        def streaming(*_):
            with self.at_work():
                yield from PIECES

        async def async_streaming(*_):
            with self.at_work():
                for piece in PIECES:
                    await asyncio.sleep(0)
                    yield piece

        functions = [whole, waiting, streaming, async_streaming]
        self.functions = dict(zip(KINDS, functions, strict=True))

    @contextlib.contextmanager
    def at_work(self):
        self.note("begun")
        try:
            yield
            if self.error is not None:
                raise self.error
        finally:
            self.note("left")

    def note(self, step):
        self.steps.append(step)
        self.current.add(getattr(trace.get_current_span(), "name", ""))


def method_of_inner(function):
    """Return a getter of another object's bound method."""
    return lambda _self, inner=object(): types.MethodType(function, inner)  # noqa: B008 - one object


HOLDERS = {
    "method": lambda function: function,
    "property": lambda function: property(method_of_inner(function)),
    "cached property": lambda function: functools.cached_property(method_of_inner(function)),
    "static method": staticmethod,
    "class method": classmethod,
    "partial": lambda function: functools.partial(function, "bound"),
    "callable object": lambda function: type("Chatter", (), {"__call__": function})(),
}
KINDS = ["value", "coroutine", "generator", "async generator"]


def kind_of(returned):
    """Return what a call gave; a value is a string."""
    if inspect.isasyncgen(returned):
        return "async generator"
    if inspect.isgenerator(returned):
        return "generator"
    return "coroutine" if inspect.iscoroutine(returned) else {str: "value"}[type(returned)]


async def first_of(returned):
    """Return a generator's first piece."""
    return next(returned) if inspect.isgenerator(returned) else await anext(returned)


async def read(returned):
    """Wait for what a call gave, or read it to its end."""
    if inspect.isasyncgen(returned):
        return [piece async for piece in returned]
    if inspect.isgenerator(returned):
        return list(returned)
    return await returned if inspect.isawaitable(returned) else returned
