"""Patched methods look, copy and pickle as the SDK's own; what is imported anew is patched once."""

import asyncio
import contextlib
import copy
import gc
import importlib
import importlib.util
import inspect
import json
import pickle
import pydoc
import sys
import types
import typing
import weakref
from pathlib import Path
from traceback import walk_tb
from unittest import mock

import pytest
from generation import GENERATION, MESSAGES, MODEL, made_up_key
from processes import run_to_end

from together_otel import TogetherInstrumentor
from together_otel.calls.patches import is_patch
from together_otel.testing import TogetherServer, behaviours

TESTS = Path(__file__).parents[1]
MODULES = (
    "together",
    "together._base_client",
    "together._client",
    "together._response",
    "together.lib.resources.files",
    "together.lib.realtime._connection",
    "together.lib.realtime._session",
    "together.abstract.api_requestor",
    "together.client",
    "together.filemanager",
    "together_ai",
)
"""Of any generation, those with what may be patched."""

HOME = ("_client", "_base_client") if GENERATION > 1 else ("client", "abstract.api_requestor")


def methods():
    """Return each method of the SDK's classes, and of the in-house client's."""
    for name in MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    classes = {
        cls
        for name in MODULES
        for cls in list(vars(sys.modules.get(name, types)).values())
        if isinstance(cls, type) and cls.__module__.partition(".")[0] in {"together", "together_ai"}
    }
    found = {(cls, name): value for cls in classes for name, value in list(vars(cls).items())}
    return {place: value for place, value in found.items() if type(value) is types.FunctionType}


@pytest.fixture
def patched():
    """Where the instrumentation puts patches; they are off, and are taken off after the test."""
    before = methods()

    def differing():
        return [
            (cls, name) for (cls, name), value in before.items() if vars(cls)[name] is not value
        ]

    TogetherInstrumentor().instrument()
    found = differing()
    TogetherInstrumentor().uninstrument()
    assert len(found) >= 6
    assert differing() == []
    yield found
    TogetherInstrumentor().uninstrument()
    assert differing() == []


def outcome(look, *looked_at):
    """Return what a look gives, or how it fails."""
    try:
        return look(*looked_at)
    except Exception as exc:  # noqa: BLE001 - whichever it is
        return type(exc), str(exc)


def pickled(found):
    return pickle.loads(pickle.dumps(found)) is found  # noqa: S301 - made here


def copied(found):
    return copy.copy(found) is found and copy.deepcopy([found])[0] is found


def function_attributes(found):
    names = "__name__ __qualname__ __module__ __doc__ __defaults__ __kwdefaults__ __annotations__"
    return [getattr(found, name, None) for name in names.split()]


def kinds(found):
    asked = (inspect.isfunction, inspect.isroutine, inspect.iscoroutinefunction)
    asked += (asyncio.iscoroutinefunction, inspect.isgeneratorfunction, inspect.ismethoddescriptor)
    return [ask(found) for ask in asked]


def called_with_nothing(found):
    """Return how it refuses to be called without an instance, where it is no class or static method."""
    if inspect.ismethod(found) or "self" not in inspect.signature(found).parameters:
        return None
    try:
        called = found()
        return called.send(None) if inspect.iscoroutine(called) else called
    except TypeError as exc:
        return exc.args


LOOKS = (
    pickled,
    copied,
    function_attributes,
    kinds,
    inspect.signature,
    inspect.getfullargspec,
    typing.get_type_hints,
    inspect.getsource,
    pydoc.render_doc,
    called_with_nothing,
)


@pytest.mark.filterwarnings("ignore:.*iscoroutinefunction:DeprecationWarning")
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.__name__)
def test_a_patched_method_is_as_without_us(patched, look):
    """Each of them, for whatever looks at it, and ``help()`` on its class."""

    def seen():
        whole = look is pydoc.render_doc
        return {one: outcome(look, one[0] if whole else getattr(*one)) for one in patched}

    without = seen()
    TogetherInstrumentor().instrument()
    now = seen()
    assert {one: (now[one], without[one]) for one in patched if now[one] != without[one]} == {}


def test_a_bound_method_is_as_without_us(patched, sdk, key):
    """One taken from a client: a method of it, that can be compared, hashed and copied."""
    client = sdk.client(api_key=key)

    def facts():
        bound = client.__init__
        return {
            "method": inspect.ismethod(bound) and bound.__self__ is client,
            "equal": bound == client.__init__ and hash(bound) == hash(client.__init__),
            "copied": outcome(lambda: copy.copy(bound).__self__ is client),
            "signature": inspect.signature(bound),
            "name": bound.__qualname__,
        }

    assert (type(client), "__init__") in patched
    without = facts()
    TogetherInstrumentor().instrument()
    assert facts() == without


@pytest.mark.parametrize("given", [{}, {"self": None}], ids=["not at all", "by name"])
def test_who_gives_no_client_is_told_so(patched, given):
    """As without us, by methods that take more than one."""

    def facts():
        requests = [place for place in patched if place[1] in ("request", "arequest")]
        return {
            place: outcome(lambda place=place: _begun(getattr(*place)(**given)))
            for place in requests
        }

    without = facts()
    TogetherInstrumentor().instrument()
    assert facts() == without
    assert {found[0] for found in without.values()} == {TypeError}


def _begun(returned):
    return returned.send(None) if inspect.iscoroutine(returned) else returned


@pytest.mark.usefixtures("telemetry")
@pytest.mark.parametrize("status", [0, 401, 500], ids=str)
def test_a_failure_passes_two_frames_of_ours_at_most(status, sdk, server, key):
    """Of a connection that breaks, too, which 1.x meets inside another function that is patched."""
    server.always(
        behaviours.custom(status, {"error": {}}) if status else behaviours.drop_connection()
    )
    client = sdk.client(api_key=key, max_retries=0)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each generation has its own
        sdk.run(lambda: client.chat.completions.create(model=MODEL, messages=MESSAGES))
    names = [frame.f_globals["__name__"] for frame, _ in walk_tb(caught.value.__traceback__)]
    assert 1 <= sum(name.startswith("together_otel.calls") for name in names) <= 2


@pytest.mark.parametrize("of", ["class", "instance"])
def test_autospec_is_as_without_us(patched, sdk, key, of):
    """A mock of the client or of what it is made of takes the same calls, and is as async."""
    client = sdk.client(api_key=key)
    base = importlib.import_module(f"together.{HOME[1]}")
    base_name = ("Async" if sdk.is_async else "Sync") * (GENERATION > 1)
    base_class = getattr(base, base_name + ("APIClient" if GENERATION > 1 else "APIRequestor"))
    method = "arequest" if GENERATION == 1 and sdk.is_async else "request"

    def facts():
        made = mock.create_autospec(sdk.client_class if of == "class" else client)
        requesting = getattr(mock.create_autospec(base_class), method)
        with mock.patch.object(base_class, method, autospec=True) as replaced:
            kinds = [type(one).__name__ for one in (made, requesting, replaced)]
        calls = [requesting, lambda: requesting(1, 2, 3, 4, 5)]
        if of == "class":
            calls += [lambda: made(api_key=key) and 0, lambda: made(api_keys=key)]
        return [kinds, inspect.signature(requesting), *(_tried(call) for call in calls)]

    assert (base_class, method) in patched
    without = facts()
    TogetherInstrumentor().instrument()
    patch = vars(base_class)[method]
    assert facts() == without
    assert vars(base_class)[method] is patch


def _tried(call):
    found = outcome(call)
    if inspect.iscoroutine(found):
        found.close()
        return "coroutine"
    return found if isinstance(found, tuple) else type(found)


def steps_of(library, anew):
    """Run the program; return what each of its steps recorded."""
    order = [f"together.{name}" for name in reversed(HOME)] + ["together"]
    if library == "together_ai":
        order = ["together_ai.client", "together_ai"]
    with TogetherServer(keys=[made_up_key("Q")]) as server:
        url = server.base_url_for(importlib.metadata.version("together"))
        done = run_to_end(
            [sys.executable, TESTS / "sdk/programs/imported_anew.py", library, anew, *order],
            env={
                "PYTHONPATH": f"{TESTS.parent}:{TESTS / 'standins'}",
                "TOGETHER_API_KEY": made_up_key(),
                "TOGETHER_BASE_URL": url if library == "together" else server.base_url,
                "TOGETHER_NO_BANNER": "1",
                "TOGETHER_OTEL_LOG_INTERVAL": "0",
                "NO_PROXY": "127.0.0.1",
            },
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


SILENT = {"spans": 0, "requests": 0, "failures": 0, "events": 0, "checks": 0}
ONCE = {"spans": 1, "requests": 1, "failures": 1, "events": 1, "checks": 1}
OLDER = ONCE | {"checks": 0}
RESTORED = {"old": 0, "new": 0, "watchers": 0}

LIBRARY_ANEW = {
    "off": SILENT,
    "first": ONCE,
    "reloaded": ONCE,
    "older than the reload": OLDER,
    "dropped": ONCE,
    "older than the drop": OLDER,
    "dropped twice": ONCE,
    "of the import before": OLDER,
    "instrumented twice": ONCE,
    "off when it is imported": SILENT,
    "on again": ONCE,
    "off at the end": SILENT,
    "left": RESTORED,
}
PACKAGE_ANEW = {
    "reloaded": OLDER,
    "off when it was dropped": OLDER,
    "on when it was dropped": OLDER,
    "new client": ONCE,
    "new library": ONCE,
    "off at the end": SILENT,
    "left": RESTORED,
}


@pytest.mark.parametrize(
    ("anew", "expected"), [("library", LIBRARY_ANEW), ("package", PACKAGE_ANEW)]
)
@pytest.mark.parametrize("library", ["together", "together_ai"])
def test_imported_anew(library, anew, expected):
    """A client library reloaded or dropped from ``sys.modules``, or this package dropped.

    A refused call is recorded once, of old and new clients, and not at all while we are off.
    """
    found = steps_of(library, anew)
    assert {step: found[step] for step in expected} == expected


CLIENT = """
class TogetherAI:
    def __init__(self, api_key=None):
        self.api_key = api_key

    def chat(self, prompt):
        return prompt
"""


@pytest.fixture
def importing(monkeypatch, tmp_path):
    """Import a package ``together_ai`` anew, of some source."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in [one for one in sys.modules if one.partition(".")[0] == "together_ai"]:
        monkeypatch.delitem(sys.modules, name)  # with its own, which only its import finds

    def import_it(source=CLIENT):
        (tmp_path / "together_ai.py").write_text(source)
        sys.modules.pop("together_ai", None)
        importlib.invalidate_caches()
        return importlib.import_module("together_ai")

    yield import_it
    sys.modules.pop("together_ai", None)
    TogetherInstrumentor().uninstrument()


def is_patched(module):
    return is_patch(vars(module.TogetherAI)["chat"])


def test_nothing_of_a_package_that_is_imported_anew_is_kept(importing):
    """Each import's class goes with its module, though it is patched."""
    TogetherInstrumentor().instrument()
    kept = []
    for _ in range(3):
        module = importing()
        assert is_patched(module)
        kept.append(weakref.ref(module.TogetherAI))
    del module
    sys.modules.pop("together_ai")
    gc.collect()
    assert [one() for one in kept] == [None] * 3


def test_a_package_that_turns_us_on_while_it_is_imported(importing):
    """It is patched once it is there, as nothing is yet that could be; or it has failed."""
    turn_on = "import together_otel\ntogether_otel.instrument()\n"
    with pytest.raises(ZeroDivisionError):
        importing(turn_on + "1 / 0")
    TogetherInstrumentor().uninstrument()
    module = importing(turn_on + CLIENT)
    assert is_patched(module)
    assert type(module.__spec__) is importlib.machinery.ModuleSpec
    TogetherInstrumentor().uninstrument()
    assert not is_patched(module)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python takes no such loaders any more")
@pytest.mark.filterwarnings("ignore::ImportWarning")
def test_an_older_kind_of_loader(importing, monkeypatch):
    """One that has ``load_module`` alone: it loads, and nothing is patched."""

    class Old:
        def load_module(self, name):
            sys.modules[name] = module = types.ModuleType(name)
            exec(CLIENT.replace("class", "__name__ = 'together_ai'\nclass"), vars(module))  # noqa: S102 - made here
            return module

        def find_spec(self, name, *_):
            return importlib.machinery.ModuleSpec(name, self) if name == "together_ai" else None  # type: ignore[arg-type]  # an old one

    monkeypatch.setattr(sys, "meta_path", [Old(), *sys.meta_path])
    TogetherInstrumentor().instrument()
    assert importing().TogetherAI().chat("Hello") == "Hello"
