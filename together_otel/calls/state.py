"""What is known of a call while it lasts, shared by those that begin, follow, end and report it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from together_otel.clients.base import Adapter, Answer, Failure, Request, Result
from together_otel.clients.credentials import secrets_of
from together_otel.clients.failures import chain
from together_otel.keys import known_keys, text_of

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.context import Context

    from together_otel.auth.runtime import AuthFailure, Runtime
    from together_otel.keys import KeyReport, KnownKeys
    from together_otel.keys.reader import Reader
    from together_otel.telemetry.metrics import Recorder

    Refusal = tuple[AuthFailure, Failure]


class Reported:
    """What calls inside one another have reported: one object, shared by all of them.

    Attributes:
        begun: how many calls there were so far.
        failures: exceptions reported, each with its refusal; ``None`` where an SDK handed the
            failure on as data.
    """

    __slots__ = ("begun", "failures")

    def __init__(self) -> None:
        self.begun: int = 1
        self.failures: list[tuple[BaseException | None, Refusal | None]] = []

    def find(self, exc: BaseException | None) -> tuple[bool, Refusal | None]:
        """Return whether an exception, or one that it came from, was reported, and its refusal."""
        if not self.failures or exc is None:
            return False, None
        links = list(chain(exc))
        for reported, refusal in self.failures:
            # 1.x hands a refusal on as data, of which its upload then raises an error of its own.
            if refusal is not None if reported is None else any(one is reported for one in links):
                return True, refusal
        return False, None


class Timing:
    """When the first and the last chunk came, in seconds of ``time.perf_counter``, and how many."""

    __slots__ = ("chunks", "first", "last")

    chunks: int
    first: float
    last: float

    def __init__(self) -> None:
        self.chunks = 0
        self.first = self.last = 0.0

    def tick(self) -> None:
        """Note a chunk."""
        self.last = now = time.perf_counter()
        if not self.chunks:
            self.first = now
        self.chunks += 1


class CallState:
    """What is known of one call, which `Call` begins with.

    Attributes:
        runtime: whose telemetry it is.
        secrets: the keys known to be involved: the client's, those before it, and what was sent.
        adapter: of its client.
        reader: that client, by what it reads.
        request: what was asked.
        result: what the answer's body says, as it comes.
        span: the call's span.
        span_context: of that span, for exemplars.
        is_beside: whether another instrumentation has a GenAI span of the call.
        is_recording: whether that span is recorded.
        before: the context that it was made in.
        context: the context that the SDK works in.
        recorder: what records its metrics.
        timing: of its chunks, where it has these.
        started: of ``time.perf_counter``.
        ended: whether it was reported.
        held_log: refusals whose log waits for what a recovery makes of them, where there is one.
    """

    __slots__ = (
        "__weakref__",
        "_client",
        "_further",
        "_is_accepted",
        "_key",
        "_noted",
        "_report",
        "_seen",
        "adapter",
        "before",
        "context",
        "ended",
        "held_log",
        "is_beside",
        "is_recording",
        "reader",
        "recorder",
        "request",
        "result",
        "runtime",
        "secrets",
        "span",
        "span_context",
        "started",
        "timing",
    )

    runtime: Runtime
    secrets: KnownKeys
    adapter: Adapter
    reader: Reader
    request: Request
    result: Result
    span: trace.Span
    span_context: trace.SpanContext
    is_beside: bool
    is_recording: bool
    before: Context
    context: Context
    recorder: Recorder | None
    timing: Timing | None
    started: float
    ended: bool
    held_log: list[tuple[AuthFailure, dict[str, Any]]] | None
    _client: Any
    _further: tuple[str, ...]
    _is_accepted: bool
    _key: object
    _noted: Answer | None
    _report: KeyReport
    _seen: Any

    def involves(self, *keys: str) -> None:
        """Note further keys."""
        own = text_of(self._key or "")
        if new := tuple(key for key in keys if key != own and key not in self._further):
            self._further += new
        if self._further:
            self.secrets = known_keys((own, *self._further))

    def notice_sent(self, answer: Answer) -> None:
        """Note what was really sent, where it is not the client's key as it was at the beginning."""
        sent = answer.authorization
        if sent is None and self._has_become_empty(answer):
            sent = answer.authorization = "Bearer "
        if sent is None or sent == f"Bearer {self._key}":
            return
        is_renewed = (
            self._client is not None
            and self.request.override is None
            and self.adapter.renewed(self._client, sent)
        )
        if is_renewed:
            # A server may still repeat the one before.
            before, self._key = text_of(self._key or ""), self.adapter.key(self._client)
            if sent != f"Bearer {self._key}":  # renewed once more since
                self._key = sent.removeprefix("Bearer ")
            self._report, self.secrets = self.runtime.keys.look(self._key, self.reader)
            self.involves(*filter(None, (before,)))
            del before
        else:
            self.involves(*secrets_of(sent))

    def _has_become_empty(self, answer: Answer) -> bool:
        """Return whether the key is empty since the call began: openai 1.x then sends no header."""
        return bool(
            answer.status_code
            and self._key
            and self._client is not None
            and self.adapter.key(self._client) == ""
        )

    def was_elsewhere(self, answer: Answer) -> bool:
        """Return whether another server answered than was asked."""
        host, request = answer.host, self.request
        return host is not None and (host != request.host or answer.port != request.port)

    def recorder_of(self, answer: Answer) -> Recorder:
        """Return what records the call at the server that answered."""
        if self.recorder is not None and not self.was_elsewhere(answer):
            return self.recorder
        request = self.request
        host, port = answer.host or request.host, answer.port or request.port
        return self.runtime.metrics.recorder(
            request.operation, request.model, host, port, self.secrets
        )

    def answered(self, response: Any) -> None:
        """Note an HTTP response, or a handshake, that the SDK got."""
        self._seen, self._noted = response, None

    def accepted(self, answer: Answer) -> None:
        """Note that the server has accepted the key, with its answer; once a call."""
        if self._is_accepted:
            return
        self._is_accepted = True
        if answer.authorization is None and (self._seen is not None or self._noted is not None):
            return  # the answer is known, and no key was sent
        self.runtime.accepted(self._key, self._report, answer, answer.host or self.request.host)

    def answer(self) -> Answer:
        """Return what the HTTP response says that the SDK got; nothing where it got none."""
        if self._noted is None and self._seen is not None:
            try:
                self._noted = self.adapter.answer(self._seen)
                self.notice_sent(self._noted)
            except Exception:  # noqa: BLE001 - the border
                self.runtime.guard("finish").swallow()
        return Answer() if self._noted is None else self._noted
