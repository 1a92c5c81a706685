"""Attributes of spans and log events for the data of a call; unknown attributes are absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel import names
from together_otel.clients.base import Answer, Result
from together_otel.keys import redact
from together_otel.plain.bounded import Bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.keys import KeyReport, KnownKeys
    from together_otel.names import Outcome

    Attributes = dict[str, Any]

_TOKENS = names.INPUT_TOKENS, names.OUTPUT_TOKENS, names.CACHED_TOKENS, names.REASONING_TOKENS
"""The attributes for a `Usage`, in the order of its fields."""

_LONGEST = 1024  # maximum length of an attribute's text, in characters

_OURS = frozenset(
    (
        names.OPERATION,
        names.PROVIDER_NAME,
        names.CLIENT_LIBRARY,
        names.REQUEST_OUTCOME,
        names.ERROR_TYPE,
        names.OUTPUT_TYPE,
        names.AUTH_CAUSE,
        names.KEY_PRESENCE,
        names.KEY_SOURCE,
        names.KEY_FORMAT,
        names.KEY_PROBLEMS,
        names.KEY_FINGERPRINT,
        # Redacted and bounded by `telemetry.content`.
        names.SYSTEM_INSTRUCTIONS,
        names.INPUT_MESSAGES,
        names.OUTPUT_MESSAGES,
        names.TOOL_DEFINITIONS,
    )
)
"""Attributes whose text comes from this package and needs no redaction."""


_IDS = frozenset((names.RESPONSE_ID, names.REQUEST_ID))
"""Attributes with a different text in each call, which are not worth caching."""

_cleaned: Bounded[tuple[int, int, bytes], str] = Bounded(1024)
"""Hash and length of a text, and the identity of the known keys → the redacted text."""


def clean(found: Mapping[str, Any], secrets: KnownKeys) -> Attributes:
    """Return attributes that are safe to emit; all spans and log fields pass through here.

    Text from outside this package (ids, models, hosts, reasons) is redacted, made valid UTF-8 and
    limited to 1,024 characters.
    """
    emitted: Attributes = dict(found)
    ids: Attributes = {}
    identity = secrets.identity
    for name, value in found.items():
        if type(value) is str:
            if name in _OURS:
                continue
            if name in _IDS:
                ids[name] = value
            else:
                clean = _cleaned.get((hash(value), len(value), identity))
                emitted[name] = _remember(value, secrets) if clean is None else clean
        elif isinstance(value, str):
            emitted[name] = redact(value, secrets, _LONGEST)
        elif type(value) in (tuple, list):
            emitted[name] = tuple([_clean_item(one, secrets) for one in value])
    if ids:
        _add_ids(emitted, ids, secrets)
    return emitted


def _add_ids(emitted: Attributes, ids: Attributes, secrets: KnownKeys) -> None:
    # Most contain no key, which one redaction of all of them together shows.
    text = "\n".join(ids.values())
    if len(text) > _LONGEST or redact(text, secrets) != text:
        ids = {name: redact(value, secrets, _LONGEST) for name, value in ids.items()}
    emitted.update(ids)


def _clean_item(one: Any, secrets: KnownKeys) -> Any:
    if not isinstance(one, str):
        return one
    clean = _cleaned.get((hash(one), len(one), secrets.identity))
    return _remember(one, secrets) if clean is None else clean


def _remember(text: str, secrets: KnownKeys) -> str:
    clean = redact(text, secrets, _LONGEST)
    _cleaned[hash(text), len(text), secrets.identity] = clean
    return clean


_NO_ANSWER = Answer()
_answers: Bounded[tuple[Any, ...], Attributes] = Bounded(1024)
"""The data that many answers share, and the identity of the known keys → its attributes.
Only values that redaction leaves unchanged are cached, so no key is kept here."""


def of_answer(
    outcome: Outcome, answer: Answer, result: Result, reasons: tuple[str, ...], secrets: KnownKeys
) -> Attributes:
    """Return the redacted attributes that an ordinary call's span gets at its end."""
    status, resends, model = answer.status_code, answer.resends, result.model
    place = outcome, status, resends, model, reasons, secrets.identity
    known = _answers.get(place)
    if known is None:
        found: Attributes = {names.REQUEST_OUTCOME: outcome}
        add_answer(found, Answer(status, resends=resends))
        add_result(found, Result(model), reasons, _NO_ANSWER, None)
        known = clean(found, secrets)
        if known == found:
            _answers[place] = known
    emitted, ids = known.copy(), {}
    if result.id is not None:
        ids[names.RESPONSE_ID] = result.id
    if answer.request_id is not None:
        ids[names.REQUEST_ID] = answer.request_id
    if ids:
        _add_ids(emitted, ids, secrets)
    _add_numbers(emitted, result, answer)
    return emitted


def of_key(report: KeyReport) -> Attributes:
    """Return the ``together.api_key.*`` attributes of a key's report."""
    found = {
        names.KEY_PRESENCE: report.presence,
        names.KEY_SOURCE: report.source,
        names.KEY_FORMAT: report.format,
        names.KEY_PROBLEMS: report.problems or None,
        names.KEY_LENGTH: report.length,
        names.KEY_FINGERPRINT: report.fingerprint,
        names.KEY_VARIABLE_NAME: report.variable,
    }
    return {name: value for name, value in found.items() if value is not None}


def add_answer(found: Attributes, answer: Answer) -> None:
    """Add the attributes for an HTTP response."""
    if answer.status_code is not None:
        found[names.STATUS_CODE] = answer.status_code
    if answer.request_id is not None:
        found[names.REQUEST_ID] = answer.request_id
    if answer.resends:
        found[names.RESEND_COUNT] = answer.resends


def add_server(found: Attributes, host: str, port: int | None) -> None:
    """Add the address and port of the server."""
    found[names.SERVER_ADDRESS] = host
    if port is not None:
        found[names.SERVER_PORT] = port


def add_result(
    found: Attributes,
    result: Result,
    reasons: tuple[str, ...],
    answer: Answer,
    first_chunk: float | None,
) -> None:
    """Add the attributes for the body of an answer; ``first_chunk`` is in seconds."""
    if result.model is not None:
        found[names.RESPONSE_MODEL] = result.model
    if result.id is not None:
        found[names.RESPONSE_ID] = result.id
    if reasons:
        found[names.FINISH_REASONS] = reasons
    if first_chunk is not None:
        found[names.RESPONSE_FIRST_CHUNK] = first_chunk
    _add_numbers(found, result, answer)


def _add_numbers(found: Attributes, result: Result, answer: Answer) -> None:
    if result.usage is not None:
        for name, tokens in zip(_TOKENS, result.usage, strict=True):
            if tokens is not None:
                found[name] = tokens
    if answer.ratelimits:
        for name, value in answer.ratelimits.items():
            found[names.RATELIMIT + name] = value
