"""The words that every room shares about one call: what was asked, and what came back.

Adapters fill these in from a generation's own objects. A field that holds a secret is
kept out of ``repr``, and nothing downstream of ``lifecycle`` ever sees one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from together_otel.clients.messages import Messages
    from together_otel.names import Outcome, Source

AuthKind = Literal["constructor", "unsendable", "refused"]

AUTH_CODES = frozenset({"invalid_api_key", "missing_api_key"})
"""Error codes by which Together refuses a key, whatever the HTTP status around them."""


@dataclass(slots=True)
class Request:
    """What the caller asked for.

    ``attributes`` are further span attributes, ready for OpenTelemetry. ``body`` is the SDK's
    own, for those who asked for its content.
    """

    operation: str
    host: str | None = None
    port: int | None = None
    model: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(slots=True)
class Usage:
    """Token counts as the server reports them; ``None`` where it does not."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(slots=True)
class Answer:
    """What an HTTP response says beside its body.

    ``authorization`` is the header really sent, ``None`` when none was.
    ``host`` and ``port`` are those of the request that was answered; ``redirected_from`` is
    the host first asked, where a redirect to another made the HTTP client drop the header.
    ``ratelimits`` are the ``x-ratelimit-*`` headers by the last part of their names.
    """

    status_code: int | None = None
    request_id: str | None = None
    resends: int = 0
    authorization: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int | None = None
    redirected_from: str | None = None
    ratelimits: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Result:
    """What the body of an answer says, whole or gathered from a stream's chunks.

    ``reasons`` says of a choice, by its index, why it ended. ``messages`` gathers what was said,
    where that is wanted.
    """

    model: str | None = None
    id: str | None = None
    reasons: dict[int, str] = field(default_factory=dict)
    usage: Usage | None = None
    messages: Messages | None = field(default=None, repr=False)

    @property
    def finish_reasons(self) -> tuple[str, ...]:
        """Why the choices ended, in their order."""
        return tuple(map(self.reasons.__getitem__, sorted(self.reasons)))


@dataclass(slots=True)
class Failure:
    """Why a call failed, as its exception tells.

    ``auth`` says in which way it is an authentication failure, ``None`` that it is not.
    ``sent`` tells whether ``answer.authorization`` is known to be what went out.
    """

    outcome: Outcome
    answer: Answer
    auth: AuthKind | None = None
    together_error: bool = True
    sent: bool = False


@dataclass(slots=True)
class GivenKey:
    """The key that a client was constructed with, and where the SDK took it from.

    ``value`` is ``None`` when there is none. ``override`` names the option whose
    Authorization header replaces the key.
    """

    value: object = field(repr=False)
    source: Source
    override: str | None = None


@dataclass(slots=True)
class OpenBody:
    """An HTTP response whose body the caller is still to read.

    ``in_pieces`` tells whether its pieces are of interest: it is a stream or a sound, not a
    document that means nothing until it is whole.
    """

    response: Any
    in_pieces: bool


@dataclass(slots=True)
class Session:
    """A connection that lasts beyond the call that opened it.

    ``owner`` is the object whose closing, or collection, ends it. ``failure`` tells how it
    broke, if it did, and does not keep ``owner`` alive.
    """

    owner: Any
    failure: Callable[[], Failure | None]


class Adapter(Protocol):
    """One generation of the SDK, described in the shared words.

    ``client`` is whatever the patched method is bound to.
    """

    name: str
    delegates: bool
    """Whether its calls may be made by another client that is instrumented as well."""
    composed: bool
    """Whether its calls consist of other calls of the same SDK, which tell for themselves."""

    recovers: bool
    """Whether its calls can be made again with another key."""

    def given_key(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> GivenKey:
        """Return the key that a constructor took, or would have taken, from its arguments."""

    def host(self, client: Any) -> str | None:
        """Return the host that a client which was just made sends its key to, where known."""

    def is_signed_elsewhere(self, client: Any) -> bool:
        """Tell whether something else than such a client's key may authorize its requests."""

    def authentication_error(self, message: str) -> tuple[type[Exception] | None, dict[str, Any]]:
        """Return the SDK's class for a key that fails, and what one without an answer says."""

    def key(self, client: Any) -> object:
        """Return the key that the client would send now."""

    def set_key(self, client: Any, key: object) -> bool:
        """Let the client send another key from now on; tell whether it has one to be set."""

    def shared(self, client: Any) -> object:
        """Return what the client has in common with its relatives, whose key is its own."""

    def bodies(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterable[object]:
        """Return the parts of a request's body that may be read as they are sent: files."""

    def override(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
        """Return which option of client or call replaces the Authorization header, if any."""

    def request(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
        """Describe the call that is about to be made."""

    def answer(self, seen: Any) -> Answer:
        """Describe an HTTP response that the SDK accepted."""

    def result(self, value: Any, result: Result) -> None:
        """Add to ``result`` what a returned object says."""

    def chunk(self, chunk: Any, result: Result) -> None:
        """Add to ``result`` what one chunk of a stream says."""

    def failure(self, exc: BaseException, seen: Any, key: object) -> Failure:
        """Describe an exception that left the SDK; ``seen`` is the last answer noted, if any."""

    def failure_in(self, value: Any) -> Failure | None:
        """Describe a failure that the SDK hands on as data: a chunk, or a whole answer."""

    def stream_of(self, returned: Any) -> Any:
        """Return the iterator inside what the SDK returned, or ``None`` if it is no stream."""

    def open_body(self, returned: Any) -> OpenBody | None:
        """Return the body that the caller is still to read, if there is one."""

    def session_of(self, client: Any, returned: Any) -> Session | None:
        """Return the connection that the call opened and leaves open, if it did."""

    def with_stream(self, returned: Any, stream: Any) -> Any:
        """Return what the caller gets: ``returned`` with its iterator replaced by ``stream``."""
