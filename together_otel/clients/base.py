"""The interface of the client adapters: `Adapter`, and the types by which it describes a call.

A type that may hold or repeat a key has no ``repr``: error trackers show the locals of each frame.
Longer than 300 lines because these types and the adapter are read together.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

from together_otel.clients.fields import NO_REASON, NOTHING
from together_otel.keys import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from together_otel.clients.messages import Messages
    from together_otel.keys import Reader
    from together_otel.names import Outcome, Source

    Args = tuple[Any, ...]
    Kwargs = Mapping[str, Any]

AuthKind = Literal["constructor", "unsendable", "refused"]

EXPIRED_KEY = "expired_key"
"""The type of an error of LiteLLM's proxy, which some releases answer with HTTP 400."""

AUTH_CODES = frozenset({"invalid_api_key", "missing_api_key", EXPIRED_KEY, "401"})
"""Error codes that mean a refused key, whatever the HTTP status."""

blank: Final = object.__new__
"""Creates a request, answer or result with its class's defaults, without calling ``__init__``."""

MOST_CHOICES = 128
"""Maximum number of choices of an answer whose finish reasons are recorded."""


@dataclass(repr=False)
class Request:
    """The request that the caller made.

    ``attributes`` are further span attributes, ready for OpenTelemetry. ``body`` is the SDK's own
    object, from which content is captured where that is enabled. ``override`` is the option of this
    call that replaces the client's key, if any. ``further_keys`` are other keys that the request is
    known to use before it is sent.
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
    """The data of an HTTP response except its body.

    ``authorization`` is the header that was sent, ``None`` if there was none. ``host`` and ``port``
    are those of the answered request. ``redirected_from`` is the host of the first request, if a
    redirect to another host made the HTTP client drop the header. For an error, ``from_together``
    is whether anything in the answer shows that it is Together's, ``None`` if the answer was not
    seen, and ``sign_in`` is whether it asks a person to sign in, as a proxy does. ``has_scheme`` is
    whether ``Bearer``, or the scheme of a login, precedes the key in the header. ``ratelimits`` are
    the ``x-ratelimit-*`` headers by the last part of their names, if there are any.
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
    """The data of an answer's body, which is whole or collected from the chunks of a stream.

    ``reasons`` maps the index of each choice to its finish reason. ``messages`` collects the
    content, if it is captured.
    """

    model: str | None = None
    id: str | None = None
    reasons: dict[int, str] | None = None
    usage: Usage | None = None
    messages: Messages | None = None

    @property
    def finish_reasons(self) -> tuple[str, ...]:
        """The finish reasons of the choices, by position."""
        reasons = self.reasons
        if not reasons:
            return ()
        if len(reasons) == 1 and 0 in reasons:
            return (reasons[0],)
        places = range(min(max(reasons) + 1, MOST_CHOICES))
        return tuple([reasons.get(at, NO_REASON) for at in places])


@dataclass(slots=True, repr=False)
class Failure:
    """The failure of a call.

    ``auth`` is the kind of authentication failure, ``None`` for any other failure. ``sent`` is
    whether ``answer.authorization`` is known to be the header that was sent. ``code`` is the error
    code of the server.
    """

    outcome: Outcome
    answer: Answer
    auth: AuthKind | None = None
    sent: bool = False
    code: str | None = None


@dataclass(slots=True, repr=False)
class GivenKey:
    """The key that a client was created with, if any, and the source that the SDK took it from."""

    value: object
    source: Source


@dataclass(slots=True, repr=False)
class OpenBody:
    """An HTTP response whose body the caller has not read yet.

    ``library`` is the HTTP library that the response belongs to, ``None`` for an SDK's response.
    """

    response: Any
    library: str | None = None


@dataclass(slots=True)
class Session:
    """A connection that stays open after the call that opened it.

    Closing ``owner``, or its garbage collection, ends the session. ``failure`` returns how the
    connection failed, if it did, and does not keep ``owner`` alive.
    """

    owner: Any
    failure: Callable[[], Failure | None]


class Adapter:
    """Describes the calls of one client library. The defaults describe features that it lacks.

    ``client`` is the object that the patched method is bound to. ``args`` and ``kwargs`` are the
    arguments of the method.
    """

    delegates = False
    """Whether its calls may be made through another client that is also instrumented."""
    composed = False
    """Whether its calls consist of other calls of the same SDK, which are reported separately."""
    recovers = False
    """Whether its calls can be retried with another key."""
    returns_refusals = False
    """Whether it returns, instead of raising, an answer that refuses the key."""
    error_modules: ClassVar[tuple[str, ...]] = ()
    """Modules that may define its ``AuthenticationError``."""
    reader: ClassVar[Reader] = TOGETHER
    """Its name and the environment variables that it reads."""

    def reader_of(self, _client: Any) -> Reader:
        """Return the reader of a client, which may depend on the framework that made the client."""
        return self.reader

    def made(self, client: Any) -> Reader:
        """Return the reader of a client whose constructor is running or has just failed."""
        return self.reader_of(client)

    def given_key(self, client: Any, args: Args, kwargs: Kwargs) -> GivenKey | None:
        """Return the key that a constructor took, or would have taken, and its source.

        ``None`` if the key is not known yet because a function provides it.
        """
        raise NotImplementedError

    def lacks_key(self, exc: BaseException, given: GivenKey) -> bool:
        """Return whether a constructor raised an error of the library's because it had no key."""
        family = type(exc).__module__.partition(".")[0]
        return not given.value and any(
            family == name.partition(".")[0] for name in self.error_modules
        )

    def host(self, _client: Any) -> str | None:
        """Return the host that a new client sends its key to, if known."""
        return None

    def is_signed_elsewhere(self, _client: Any) -> bool:
        """Return whether something other than a new client's key may authorize its requests."""
        return False

    def authentication_error(self, message: str) -> tuple[type[Exception] | None, dict[str, Any]]:
        """Return the SDK's class for a failed key, and the attributes of one without an answer."""
        for name in self.error_modules:
            found = getattr(sys.modules.get(name), "AuthenticationError", None)
            if isinstance(found, type) and issubclass(found, Exception):
                try:
                    return found, dict(vars(found(message)))
                except TypeError:
                    return found, {}
        return None, {}

    def key(self, client: Any) -> object:
        """Return the key that the client would send now; ``None`` if it computes a key for each request."""
        # Not a property of the application, which may return another key each time.
        return getattr(client, "__dict__", NOTHING).get("api_key")

    def set_key(self, client: Any, key: object) -> bool:
        """Make the client send another key from now on; return whether its key can be set."""
        client.api_key = key
        return True

    def renewed(self, client: Any, authorization: str) -> bool:
        """Return whether the header that was sent has a key that the client renewed in the call."""
        return authorization == f"Bearer {self.key(client)}"

    def shared(self, client: Any) -> object:
        """Return the object that the client shares with its copies, or the client itself.

        ``None`` if its key must not be replaced in any other call.
        """
        return client

    def bodies(self, _args: Args, _kwargs: Kwargs) -> Iterable[object]:
        """Return the parts of a request's body that may be consumed by sending it, as files are."""
        return ()

    def request(self, client: Any, args: Args, kwargs: Kwargs) -> Request:
        """Describe the call that is about to be made."""
        raise NotImplementedError

    def override(self, _client: Any, request: Request, _answer: Answer) -> str | None:
        """Return what replaced the client's key in the request that was sent, if known."""
        return request.override

    def answer(self, _seen: Any) -> Answer:
        """Describe an HTTP response that the SDK accepted."""
        return Answer()

    def result(self, value: Any, result: Result) -> None:
        """Add the data of a returned object to ``result``."""

    def has_reason(self, _chunk: Any) -> bool | None:
        """Return whether chunks like this one have a finish reason outside their choices.

        ``None`` if they are not models of OpenAI's shape.
        """
        return None

    def has_news(self, _chunk: Any) -> bool:
        """Return whether a chunk of a stream has more data than a piece of text.

        Not called for the first chunk or where content is captured: these are read in any case.
        """
        return True

    def chunk(self, chunk: Any, result: Result) -> None:
        """Add the data of one chunk of a stream to ``result``."""
        self.result(chunk, result)

    def failure(self, exc: BaseException, seen: Any, key: object) -> Failure:
        """Describe an exception that the SDK raised; ``seen`` is the last answer, if any."""
        raise NotImplementedError

    def failure_in(self, _value: Any, _seen: Any = None) -> Failure | None:
        """Describe a failure that the SDK returns as data, as a chunk or a whole answer."""
        return None

    def deferrable_host(self, _client: Any, _args: Args, _kwargs: Kwargs) -> str | None:
        """Return the host of a call to be made, if the call can be described after it ends."""
        return None

    def is_whole(self, _returned: Any) -> bool:
        """Return whether ``returned`` is certainly a whole answer: no stream, body or session."""
        return False

    def stream_of(self, _returned: Any) -> Any:
        """Return the iterator inside a stream that the SDK returned, ``None`` for other objects."""
        return None

    def with_stream(self, returned: Any, _stream: Any, _closed: Callable[[], None]) -> Any:
        """Return the stream for the caller: ``returned`` with its iterator replaced by ``stream``.

        ``closed`` is called when the caller closes it.
        """
        return returned

    def open_body(self, _returned: Any) -> OpenBody | None:
        """Return the body that the caller has not read yet, if there is one."""
        return None

    def discard(self, returned: Any) -> None:
        """Close an answer that a retry replaces."""

    async def discard_async(self, returned: Any) -> None:
        """Close an answer of an async client that a retry replaces."""
        self.discard(returned)

    def session_of(self, _client: Any, _returned: Any) -> Session | None:
        """Return the connection that the call opened and left open, if any."""
        return None
