"""What is known of a call, in the contract's attributes. What is not known is absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel import names
from together_otel.clients.base import Usage
from together_otel.keys import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from together_otel.clients.base import Answer, Request, Result
    from together_otel.keys import KeyReport, KnownKeys

    Attributes = dict[str, Any]
    Server = tuple[str | None, int | None]

_NO_USAGE = Usage()

_LONGEST = 1024
"""Characters of one text that are told."""

_OURS = frozenset(
    (
        names.OPERATION,
        names.PROVIDER_NAME,
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
        if type(value) is str and name not in _OURS:
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


def known(pairs: Iterable[tuple[str, Any]]) -> Attributes:
    """Return those pairs that have a value; an empty tuple is none."""
    return {name: value for name, value in pairs if value is not None and value != ()}


def of_key(report: KeyReport) -> Attributes:
    """Return the ``together.api_key.*`` attributes of a report."""
    return known(
        (
            (names.KEY_PRESENCE, report.presence),
            (names.KEY_SOURCE, report.source),
            (names.KEY_FORMAT, report.format),
            (names.KEY_PROBLEMS, report.problems),
            (names.KEY_LENGTH, report.length),
            (names.KEY_FINGERPRINT, report.fingerprint),
            (names.KEY_VARIABLE_NAME, report.variable),
        )
    )


def of_answer(answer: Answer, server: Server) -> Attributes:
    """Return what the HTTP side of a call says, and whom the request was sent to."""
    host, port = server
    return known(
        (
            (names.STATUS_CODE, answer.status_code),
            (names.SERVER_ADDRESS, host),
            (names.SERVER_PORT, port),
            (names.REQUEST_ID, answer.request_id),
            (names.RESEND_COUNT, answer.resends or None),
        )
    )


def of_result(result: Result, answer: Answer, first_chunk: float | None) -> Attributes:
    """Return what a call's body says, for spans; ``first_chunk`` is in seconds."""
    usage = result.usage or _NO_USAGE
    attributes = known(
        (
            (names.RESPONSE_MODEL, result.model),
            (names.RESPONSE_ID, result.id),
            (names.FINISH_REASONS, result.finish_reasons),
            (names.RESPONSE_FIRST_CHUNK, first_chunk),
            (names.INPUT_TOKENS, usage.input_tokens),
            (names.OUTPUT_TOKENS, usage.output_tokens),
            (names.CACHED_TOKENS, usage.cached_tokens),
            (names.REASONING_TOKENS, usage.reasoning_tokens),
        )
    )
    for name, value in answer.ratelimits.items():
        attributes[names.RATELIMIT + name] = value
    return attributes


def server(request: Request, answer: Answer) -> Server:
    """Return host and port of the request really sent, else of the one that was to be."""
    if answer.host is not None:
        return answer.host, answer.port
    return request.host, request.port
