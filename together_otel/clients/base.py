"""What a client library looks like to the rest: `Adapter`, and the words it describes a call in.

What may hold a key, or repeat one, has no ``repr``: error trackers show the locals of each frame.
Past 300 lines, as words and adapter are read together.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

from together_otel.clients.fields import NO_REASON
from together_otel.keys import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from together_otel.clients.messages import Messages
    from together_otel.keys import Reader
    from together_otel.names import Outcome, Source

    Args = tuple[Any, ...]
    Kwargs = Mapping[str, Any]

AuthKind = Literal["constructor", "unsendable", "refused"]

AUTH_CODES = frozenset({"invalid_api_key", "missing_api_key", "401"})
"""Error codes by which a key is refused, whatever the HTTP status around them."""

blank: Final = object.__new__
"""Makes a request, an answer or a result of its class's defaults, without entering a function."""

MOST_CHOICES = 128
"""Choices of an answer whose finish reasons are of interest."""


@dataclass(repr=False)
class Request:
    """What the caller asked for.

    ``attributes`` are further span attributes, ready for OpenTelemetry. ``body`` is the SDK's
    own, for those who asked for its content. ``override`` is the option of this call that replaces
    the client's key, if any. ``further_keys`` are those that client or call send instead of it, as
    far as they are known before.
    """

    operation: str
    host: str | None = None
    port: int | None = None
    model: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    override: str | None = None
    further_keys: tuple[str, ...] = ()


class Usage(NamedTuple):
    """Token counts as the server reports them; ``None`` where it does not."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(repr=False)
class Answer:
    """What an HTTP response says beside its body.

    ``authorization`` is the header really sent, ``None`` when none was.
    ``host`` and ``port`` are those of the request that was answered; ``redirected_from`` is
    the host first asked, where a redirect to another made the HTTP client drop the header.
    Of an error, ``from_together`` says whether something in it is Together's, ``None`` where it
    was not seen, and ``sign_in`` whether it asks a person to sign in, as a proxy does.
    ``has_scheme`` says whether the header names ``Bearer``, or a login's scheme, before the key.
    ``ratelimits`` are the ``x-ratelimit-*`` headers by the last part of their names, where there
    are any.
    """

    status_code: int | None = None
    request_id: str | None = None
    resends: int = 0
    authorization: str | None = None
    host: str | None = None
    port: int | None = None
    redirected_from: str | None = None
    from_together: bool | None = None
    sign_in: bool = False
    has_scheme: bool = True
    ratelimits: dict[str, float] | None = None


@dataclass(repr=False)
class Result:
    """What the body of an answer says, whole or gathered from a stream's chunks.

    ``reasons`` says of each choice that was seen, by its index, why it ended. ``messages`` gathers
    what was said, where that is wanted.
    """

    model: str | None = None
    id: str | None = None
    reasons: dict[int, str] | None = None
    usage: Usage | None = None
    messages: Messages | None = None

    @property
    def finish_reasons(self) -> tuple[str, ...]:
        """Why the choices ended, by position."""
        reasons = self.reasons
        if not reasons:
            return ()
        if len(reasons) == 1 and 0 in reasons:
            return (reasons[0],)
        places = range(min(max(reasons) + 1, MOST_CHOICES))
        return tuple([reasons.get(at, NO_REASON) for at in places])


@dataclass(slots=True, repr=False)
class Failure:
    """Why a call failed.

    ``auth`` says in which way it is an authentication failure, ``None`` that it is not.
    ``sent`` says whether ``answer.authorization`` is known to be what went out. ``code`` is the
    server's error code.
    """

    outcome: Outcome
    answer: Answer
    auth: AuthKind | None = None
    sent: bool = False
    code: str | None = None


@dataclass(slots=True, repr=False)
class GivenKey:
    """The key that a client was constructed with, if any, and where the SDK took it from."""

    value: object
    source: Source


@dataclass(slots=True, repr=False)
class OpenBody:
    """An HTTP response whose body the caller is still to read.

    ``library`` is the HTTP library whose response the caller has, where that is no SDK's.
    """

    response: Any
    library: str | None = None


@dataclass(slots=True)
class Session:
    """A connection that lasts beyond the call that opened it.

    ``owner`` is the object whose closing, or collection, ends it. ``failure`` returns how it
    broke, if it did, and does not keep ``owner`` alive.
    """

    owner: Any
    failure: Callable[[], Failure | None]


class Adapter:
    """One client library, described in the shared words. What it does not override, it has not.

    ``client`` is whatever the patched method is bound to, ``args`` and ``kwargs`` are what the
    method was called with.
    """

    delegates = False
    """Whether its calls may be made by another client that is instrumented as well."""
    composed = False
    """Whether its calls consist of other calls of the same SDK, which report for themselves."""
    recovers = False
    """Whether its calls can be made again with another key."""
    returns_refusals = False
    """Whether it returns an answer that refuses the key as it does any other."""
    error_modules: ClassVar[tuple[str, ...]] = ()
    """Modules that may have its ``AuthenticationError``."""
    reader: ClassVar[Reader] = TOGETHER
    """What it is called, and what it reads from the environment."""

    def reader_of(self, _client: Any) -> Reader:
        """Return what a client reads, if its makers know better than its class."""
        return self.reader

    def made(self, client: Any) -> Reader:
        """Return the same for a client whose constructor is at work, or has just failed."""
        return self.reader_of(client)

    def given_key(self, client: Any, args: Args, kwargs: Kwargs) -> GivenKey | None:
        """Return the key that a constructor took, or would have taken, from its arguments.

        ``None`` where it is known only later: a function makes it.
        """
        raise NotImplementedError

    def lacks_key(self, exc: BaseException, given: GivenKey) -> bool:
        """Return whether a constructor refused because there was no key; a TypeError is not that."""
        family = type(exc).__module__.partition(".")[0]
        return not given.value and any(
            family == name.partition(".")[0] for name in self.error_modules
        )

    def host(self, _client: Any) -> str | None:
        """Return the host that a client which was just made sends its key to, where known."""
        return None

    def is_signed_elsewhere(self, _client: Any) -> bool:
        """Return whether something else than such a client's key may authorize its requests."""
        return False

    def authentication_error(self, message: str) -> tuple[type[Exception] | None, dict[str, Any]]:
        """Return the SDK's class for a key that fails, and what one without an answer holds."""
        for name in self.error_modules:
            found = getattr(sys.modules.get(name), "AuthenticationError", None)
            if isinstance(found, type) and issubclass(found, Exception):
                try:
                    return found, dict(vars(found(message)))
                except TypeError:
                    return found, {}
        return None, {}

    def key(self, client: Any) -> object:
        """Return the key that the client would send now."""
        return getattr(client, "api_key", None)

    def set_key(self, client: Any, key: object) -> bool:
        """Let the client send another key from now on; return whether it has one to be set."""
        client.api_key = key
        return True

    def renewed(self, client: Any, authorization: str) -> bool:
        """Return whether a header that was sent is the client's key, renewed within the call."""
        return authorization == f"Bearer {self.key(client)}"

    def shared(self, client: Any) -> object:
        """Return what the client has in common with its relatives, whose key is its own."""
        return client

    def bodies(self, _args: Args, _kwargs: Kwargs) -> Iterable[object]:
        """Return the parts of a request's body that may be read as they are sent: files."""
        return ()

    def request(self, client: Any, args: Args, kwargs: Kwargs) -> Request:
        """Describe the call that is about to be made."""
        raise NotImplementedError

    def override(self, _client: Any, request: Request, _answer: Answer) -> str | None:
        """Return what replaced the client's key in the request that was sent, where known."""
        return request.override

    def answer(self, _seen: Any) -> Answer:
        """Describe an HTTP response that the SDK accepted."""
        return Answer()

    def result(self, value: Any, result: Result) -> None:
        """Add to ``result`` what a returned object says."""

    def has_reason(self, _chunk: Any) -> bool | None:
        """Return whether chunks like this one say by themselves why their choice ended.

        ``None`` where they are not of OpenAI's shape, in models.
        """
        return None

    def has_news(self, _chunk: Any) -> bool:
        """Return whether a later chunk of a stream says more than a piece of text.

        Of the first chunk, and where messages are captured, all is of interest.
        """
        return True

    def chunk(self, chunk: Any, result: Result) -> None:
        """Add to ``result`` what one chunk of a stream says."""

    def failure(self, exc: BaseException, seen: Any, key: object) -> Failure:
        """Describe an exception that left the SDK; ``seen`` is the last answer noted, if any."""
        raise NotImplementedError

    def failure_in(self, _value: Any, _seen: Any = None) -> Failure | None:
        """Describe a failure that the SDK returns as data: a chunk, or a whole answer."""
        return None

    def told_after(self, _client: Any, _args: Args, _kwargs: Kwargs) -> str | None:
        """Return the host of a call that is about to be made, if all of it can be told after it."""
        return None

    def is_whole(self, _returned: Any) -> bool:
        """Return whether what the SDK returned is certainly an answer, and none of what follows."""
        return False

    def stream_of(self, _returned: Any) -> Any:
        """Return the iterator inside what the SDK returned, or ``None`` if it is no stream."""
        return None

    def with_stream(self, returned: Any, _stream: Any, _closed: Callable[[], None]) -> Any:
        """Return what the caller gets: ``returned`` with its iterator replaced by ``stream``.

        ``closed`` is called where the caller closes it.
        """
        return returned

    def open_body(self, _returned: Any) -> OpenBody | None:
        """Return the body that the caller is still to read, if there is one."""
        return None

    def discard(self, returned: Any) -> None:
        """Close an answer in place of which there will be another."""

    async def discard_async(self, returned: Any) -> None:
        """Close an answer of an async client in place of which there will be another."""
        self.discard(returned)

    def session_of(self, _client: Any, _returned: Any) -> Session | None:
        """Return the connection that the call opened and leaves open, if it did."""
        return None
