"""One case: keys, the ways in which a client gets them, and a call that repeats them everywhere."""

import pickle
import random
import traceback
from dataclasses import dataclass, field

import fuzz_answers
import httpx
from fuzz_keys import Key, make_key, write_key
from fuzz_oracle import Forbidden
from fuzz_others import OTHERS
from fuzz_sdk import call_by_sdk
from fuzz_ways import WAYS
from fuzz_world import World, shown_locals

from together_otel import UnusableKeyError, diagnose, inspect_key
from together_otel.keys import Refusal

BATCH = 40
"""Cases that share one process: labels are bounded, and a scrape takes its time."""

_TOLD = 0.5
"""Of how many texts a key is a part."""

_INSIDE = "inner"


def rng_of(seed, what, number):
    """Return what decides everything about one case, or one world."""
    return random.Random(f"{seed} {what} {number}")


def world_of(seed, number):
    """Return the process that a case belongs to."""
    return World(rng_of(seed, "world", number // BATCH))


@dataclass
class Leak:
    """A key that was shown."""

    signal: str
    shown: str


def leaks_in(signals, keys):
    """Return where keys are shown."""
    forbidden = Forbidden(keys)
    return [
        Leak(signal, shown)
        for signal, text in signals.items()
        if (shown := forbidden.shown_in(text)) is not None
    ]


@dataclass
class Case:
    """One case of a seed.

    Attributes:
        keys: those that must not be seen.
        told: what was written where, for whoever looks at a leak.
        known: of the keys, those that are involved by now, and may be repeated.
        signals: what was emitted.
    """

    seed: int
    number: int
    world: World
    keys: list[Key] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.rng = rng_of(self.seed, "case", self.number)
        self.own, self.other = make_key(self.rng), make_key(self.rng)
        self.keys = [self.own]
        self.known = [self.own]
        self._raised = []
        self.environ = {}
        self.made = {"api_key": self.own.text}
        self.http = {}
        self.options = {}
        self.copied = None
        self.source = None
        self.base = "https://api.together.xyz/v1"
        self.is_async = self.rng.random() < 0.4
        self.way = self.rng.choice([*WAYS, *OTHERS])
        self.signals = {}

    def __str__(self):
        kind = "async" if self.is_async else "sync"
        return (
            f"{self.way}, {kind}, keys {[one.shape for one in self.keys]}, "
            f"{'prometheus' if self.world.is_prometheus else 'otel'}, {self.world.captures}, "
            f"preflight {self.world.preflight}\n  " + "\n  ".join(self.told)
        )

    # ── texts with keys ──────────────────────────────────────────────────────────────

    def say(self, what):
        """Return a text, with one of the keys in it that are known by now, or without."""
        if not self.known or self.rng.random() > _TOLD:
            return "nothing"
        key = self.rng.choice(self.known)
        writing, text = write_key(self.rng, key)
        front, end = self.rng.choice((("", ""), ("of ", "."), ('"', '"'), ("=", "&"), ("\n", "\n")))
        self.told.append(f"{what}: the {key.shape} key, {writing}")
        return f"{front}{text}{end}"

    def sends(self, key):
        """Note that a key is known to be involved from now on."""
        if key not in self.known:
            self.known.append(key)
        if key not in self.keys:
            self.keys.append(key)

    # ── the call ─────────────────────────────────────────────────────────────────────

    def run(self):
        """Do what it is about; return what is shown of the keys, but for metrics."""
        try:
            OTHERS.get(self.way, call_by_sdk)(self)
        except Exception as exc:  # noqa: BLE001 - the application's, who gets it as it is
            self._raised.append(exc)
        self.signals |= self.world.harvest()
        self.signals["frames of exceptions"] = "\n".join(self._frames())
        self.signals["repr and pickle"] = "\n".join(self._objects())
        self._raised.clear()
        return leaks_in(self.signals, self.keys)

    def respond(self, request):
        rng, say = self.rng, self.say
        if self.other.text in request.headers.get("authorization", ""):
            self.sends(self.other)
        if rng.random() < 0.2:
            self._make_span()
        if self.source is not None and self.other not in self.known:
            return httpx.Response(
                401, json={"error": {"message": say("message"), "code": "invalid_api_key"}}
            )
        kind = rng.random()
        if kind < 0.2:
            self.told.append("the transport breaks")
            raise fuzz_answers.breaks(rng, say, request)
        if kind < 0.25 and "elsewhere" not in request.url.host:
            return fuzz_answers.redirects(rng, say)
        if kind < 0.35:
            return fuzz_answers.answers_badly(rng, say)
        if kind < 0.65:
            return rng.choice((fuzz_answers.refuses, fuzz_answers.refuses, fuzz_answers.says_no))(
                rng, say
            )
        is_stream = b'"stream":true' in request.content.replace(b" ", b"")
        return (fuzz_answers.streams if is_stream else fuzz_answers.answers)(rng, say)

    def _make_span(self):
        """Do as an instrumentation inside the call does."""
        say = self.say
        tracer = self.world.tracers.get_tracer(_INSIDE)
        with tracer.start_as_current_span(say("span"), attributes={"http.url": say("URL")}) as span:
            span.set_attribute("http.request.header.x", [say("header")])
            span.set_attribute(say("attribute's name"), 1)
            span.set_attribute("bytes", say("bytes").encode("utf-8", "replace"))
            span.add_event(say("event"), {"text": say("event's text")})
            span.update_name(say("span"))
            span.record_exception(ValueError(say("exception recorded")))
            span.set_status(self.rng.choice((together_error(), together_error())), say("status"))

    # ── what else shows keys ─────────────────────────────────────────────────────────

    def _frames(self):
        """Yield the local variables of our frames that an error tracker would send."""
        seen = set()
        left = list(self._raised)
        while left:
            exc = left.pop()
            if id(exc) in seen:
                continue
            seen.add(id(exc))
            for frame, _ in traceback.walk_tb(exc.__traceback__):
                yield from shown_locals(frame)
            left += [one for one in (exc.__cause__, exc.__context__) if one is not None]
            if isinstance(exc, UnusableKeyError):
                yield f"{exc} {exc!r} {pickle.dumps(exc)!r}"
                yield "".join(traceback.format_exception(exc))

    def _objects(self):
        """Yield what public objects about the keys say of themselves."""
        for key in self.keys:
            report = inspect_key(key.text)
            found = diagnose(report, Refusal("refused", host_refused="api.together.xyz"))
            for one in (report, found):
                yield f"{one!r} {one} {pickle.dumps(one).decode('utf-8', 'replace')}"


def together_error():
    """Return the status of a span that failed."""
    from opentelemetry.trace import StatusCode  # noqa: PLC0415

    return StatusCode.ERROR


def run_cases(seed, numbers):
    """Run cases, each batch in a process of its own kind; yield each and what it shows."""
    batches = {}
    for number in numbers:
        batches.setdefault(number // BATCH, []).append(number)
    for batch in batches.values():
        with world_of(seed, batch[0]) as world:
            done = []
            for number in batch:
                case = Case(seed, number, world)
                done.append((case, case.run()))
            scrapes = world.scrape()
        every = [key for case, _ in done for key in case.keys]
        is_shown = bool(leaks_in(scrapes, every))
        for case, found in done:
            yield case, found + (leaks_in(scrapes, case.keys) if is_shown else [])
