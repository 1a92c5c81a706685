"""State of a call in progress, shared by the modules that begin, follow, end and report it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel.calls.active import within
from together_otel.clients.base import Adapter, Answer, Failure, Request, Result
from together_otel.clients.credentials import secrets_of
from together_otel.clients.failures import chain, is_redirect
from together_otel.keys import known_keys, text_of
from together_otel.plain import clocks

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.context import Context

    from together_otel.auth.runtime import AuthFailure, Runtime
    from together_otel.keys import KeyReport, KnownKeys
    from together_otel.keys.reader import Reader
    from together_otel.telemetry.metrics import Recorder

    Refusal = tuple[AuthFailure, Failure]


class Reported:
    """Failures that nested calls have reported. All calls nested in one another share an object.

    The exception of one is ``None`` if the SDK returned the failure as data.
    """

    __slots__ = ("failures",)

    def __init__(self) -> None:
        self.failures: list[tuple[BaseException | None, Refusal | None]] = []

    def find(self, exc: BaseException | None) -> tuple[bool, Refusal | None]:
        """Return whether an exception, or one in its chain, was reported, and its refusal."""
        if not self.failures or exc is None:
            return False, None
        links = list(chain(exc))
        for reported, refusal in self.failures:
            # 1.x returns a refusal as data, for which its upload then raises another exception.
            if refusal is not None if reported is None else any(one is reported for one in links):
                return True, refusal
        return False, None


class Timing:
    """Number of chunks, and times of the first and the last in ``time.perf_counter`` seconds."""

    __slots__ = ("chunks", "first", "last")

    chunks: int
    first: float
    last: float

    def __init__(self) -> None:
        self.chunks = 0
        self.first = self.last = 0.0

    def tick(self) -> None:
        """Record a chunk."""
        self.last = now = clocks.perf_counter()
        if not self.chunks:
            self.first = now
        self.chunks += 1


class CallState:
    """State of one call; the base class of `Call`.

    ``secrets`` are keys to redact: the client's, its previous ones, and what was sent. The
    ``result`` grows as the response's body arrives. ``is_beside`` is whether another
    instrumentation has a GenAI span for the call, ``is_recording`` whether its own is recorded.
    ``before`` is the context in which the call was made, ``context`` the one in which the SDK runs.
    ``started`` is in seconds of ``time.perf_counter``. ``held_log`` has refusals to log once a
    recovery is decided; ``None`` to log immediately.
    """

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
    __slots__ = ("__weakref__", *__annotations__)

    def involves(self, *keys: str) -> None:
        """Add keys to redact."""
        own = text_of(self._key or "")
        if new := tuple(key for key in keys if key != own and key not in self._further):
            self._further += new
        if self._further:
            self.secrets = known_keys((own, *self._further))

    def notice_sent(self, answer: Answer) -> None:
        """Record what was sent, if it was not the client's key at the beginning of the call."""
        sent = answer.authorization
        if sent is None and self._has_become_empty(answer):
            sent = answer.authorization = "Bearer "
        if sent is None or (self._key is not None and sent == f"Bearer {self._key}"):
            return
        is_renewed = (
            self._client is not None
            # A key without a text of its own is known by what was sent, and not read again.
            and (self._key is not None or not self._report.usable)
            and self.request.override is None
            and self.adapter.renewed(self._client, sent)
        )
        if is_renewed:
            # The server may still repeat the previous key.
            before, self._key = text_of(self._key or ""), self.adapter.key(self._client)
            if sent != f"Bearer {self._key}":  # renewed again since then
                self._key = sent.removeprefix("Bearer ")
            self._report, self.secrets = self.runtime.keys.look(self._key, self.reader)
            self.involves(*filter(None, (before,)))
            del before
        else:
            self.involves(*secrets_of(sent))

    def _has_become_empty(self, answer: Answer) -> bool:
        """Return whether the key became empty during the call: openai 1.x then sends no header."""
        return bool(
            answer.status_code
            and self._key
            and self._client is not None
            and self.adapter.key(self._client) == ""
        )

    def was_elsewhere(self, answer: Answer) -> bool:
        """Return whether the response came from another server than the one requested."""
        host, request = answer.host, self.request
        return host is not None and (host != request.host or answer.port != request.port)

    def recorder_of(self, answer: Answer) -> Recorder:
        """Return the recorder of metrics for the server that sent the response."""
        if self.recorder is not None and not self.was_elsewhere(answer):
            return self.recorder
        request = self.request
        host, port = answer.host or request.host, answer.port or request.port
        return self.runtime.metrics.recorder(
            request.operation, request.model, host, port, self.secrets
        )

    def answered(self, response: Any) -> None:
        """Record the HTTP response or handshake that the SDK received."""
        self._seen, self._noted = response, None

    def accepted(self, answer: Answer) -> None:
        """Record that the server accepted the key, once per call."""
        if self._is_accepted:
            return
        self._is_accepted = True
        if answer.authorization is None and (self._seen is not None or self._noted is not None):
            return  # the response is known, and no key was sent
        if answer.sign_in or is_redirect(answer.status_code):
            return  # a proxy's page, or a redirect as to https, for which no key is looked at
        runtime, request = self.runtime, self.request
        if not runtime.keys.history.failing:
            runtime.accepted(self._key, self._report, answer, answer.host or request.host)
            return
        # No variable has the host, which may be a key: the end of the failures is logged.
        with within(runtime, self.context):
            runtime.accepted(
                *(self._key, self._report, answer, answer.host or request.host),
                library=self.reader.library,
            )

    def answer(self) -> Answer:
        """Return the description of the HTTP response, an empty one if there was none."""
        if self._noted is None and self._seen is not None:
            try:
                self._noted = self.adapter.answer(self._seen)
                self.notice_sent(self._noted)
            except Exception:  # noqa: BLE001 - must not reach the application
                self.runtime.guard("finish").swallow()
        return Answer() if self._noted is None else self._noted
