"""What is known of a call, in the contract's attributes. What is not known is absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel import names
from together_otel.clients.base import Usage
from together_otel.keys import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.clients.base import Answer, Result
    from together_otel.keys import KeyReport, KnownKeys

    Attributes = dict[str, Any]

_NO_USAGE = Usage()

_LONGEST = 1024
"""Characters of one text that are told."""

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
"""Attributes whose text this package has made."""


_IDS = frozenset((names.RESPONSE_ID, names.REQUEST_ID))
"""Attributes whose text is another one each time: it is not worth being remembered."""

_MOST = 1024
_cleaned: dict[tuple[int, int, bytes], str] = {}
"""Hash and length of a text, and the keys that were looked for → the text as it is emitted."""


def clean(found: Mapping[str, Any], secrets: KnownKeys) -> Attributes:
    """Return attributes fit to be emitted: the one door for spans and log fields.

    Text that is not ours (ids, models, hosts, reasons) is redacted, made valid UTF-8 and bounded
    to 1,024 characters.

    Args:
        found: attributes as they were found.
        secrets: keys known to be involved.
    """
    emitted: Attributes = {}
    for name, value in found.items():
        if isinstance(value, str) and name not in _OURS:
            emitted[name] = (
                redact(value, secrets, _LONGEST) if name in _IDS else _remembered(value, secrets)
            )
        elif type(value) in (tuple, list):
            emitted[name] = tuple(
                _remembered(one, secrets) if isinstance(one, str) else one for one in value
            )
        else:
            emitted[name] = value
    return emitted


def _remembered(text: str, secrets: KnownKeys) -> str:
    place = hash(text), len(text), secrets.identity
    clean = _cleaned.get(place)
    if clean is None:
        clean = redact(text, secrets, _LONGEST)
        if len(_cleaned) >= _MOST:
            _cleaned.clear()
        _cleaned[place] = clean
    return clean


def of_key(report: KeyReport) -> Attributes:
    """Return the ``together.api_key.*`` attributes of a report."""
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
    """Add what the HTTP side of a call says."""
    if answer.status_code is not None:
        found[names.STATUS_CODE] = answer.status_code
    if answer.request_id is not None:
        found[names.REQUEST_ID] = answer.request_id
    if answer.resends:
        found[names.RESEND_COUNT] = answer.resends


def add_server(found: Attributes, host: str, port: int | None) -> None:
    """Add whom the request was sent to."""
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
    """Add what a call's body says; ``first_chunk`` is in seconds."""
    if result.model is not None:
        found[names.RESPONSE_MODEL] = result.model
    if result.id is not None:
        found[names.RESPONSE_ID] = result.id
    if reasons:
        found[names.FINISH_REASONS] = reasons
    if first_chunk is not None:
        found[names.RESPONSE_FIRST_CHUNK] = first_chunk
    if (usage := result.usage) is not None:
        for name, tokens in (
            (names.INPUT_TOKENS, usage.input_tokens),
            (names.OUTPUT_TOKENS, usage.output_tokens),
            (names.CACHED_TOKENS, usage.cached_tokens),
            (names.REASONING_TOKENS, usage.reasoning_tokens),
        ):
            if tokens is not None:
                found[name] = tokens
    for name, value in answer.ratelimits.items():
        found[names.RATELIMIT + name] = value
