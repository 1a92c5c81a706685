"""The result of a check as text and as JSON."""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from together_otel.cli.check.environment import Environment, Lookalike
from together_otel.cli.check.outcomes import LiveResult
from together_otel.cli.output import paint
from together_otel.cli.parsing import keys_in
from together_otel.keys import Diagnosis, KeyReport, KnownKeys, escape_controls, known_keys, redact
from together_otel.keys.known import LONGEST_SECRET
from together_otel.keys.phrases import faults

_WIDTH: Final = 80
_COLUMN: Final = 15
_LISTED: Final = 6
"""Maximum number of similar variables listed in the text; JSON has all."""

_SHAPES: Final = {
    "tgp_v1": "a Together key",
    "legacy_hex": "a Together key, of the older kind",
    "placeholder": "a placeholder",
    "damaged": "a damaged Together key",
    "unrecognized": "no known shape",
}

_OF_KEY: Final = ("format", "problems", "length", "provider")
_OF_LIVE: Final = (
    *("outcome", "detail", "status_code"),
    *("url", "server_address", "server_port", "proxy", "request_id"),
)


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a check: the client's key, the variable that has it, and why it cannot work."""

    report: KeyReport
    taken: str | None
    diagnosis: Diagnosis | None
    lookalikes: list[Lookalike]
    notes: list[str]
    around: Environment
    live: LiveResult | None = None

    @property
    def can_work(self) -> bool | None:
        """Whether the key works or, without a live check, may work; ``None`` if unknown."""
        if self.diagnosis is not None:
            return False
        return True if self.live is None else self.live.accepted

    @property
    def cause(self) -> str | None:
        """Cause for which the key is or would be refused, or ``None``."""
        found = self.diagnosis or (None if self.live is None else self.live.diagnosis)
        return None if found is None else found.cause

    @property
    def remedy(self) -> str | None:
        """How to fix it, in one sentence, or ``None``."""
        if self.diagnosis is not None:
            return self.diagnosis.remedy
        return None if self.live is None else self.live.remedy


def as_json(findings: Findings) -> str:
    """Return one JSON object on one line, always with the same fields."""
    report, around, live = findings.report, findings.around, findings.live
    found: dict[str, Any] = {
        "client": report.reader.library,
        "can_work": findings.can_work,
        "cause": findings.cause,
        "remedy": findings.remedy,
        **_of(report, "presence", "source", "variable", *_OF_KEY, "fingerprint"),
        "env_file": around.file
        and {
            "path": around.file,
            "holds_key": not around.names.isdisjoint(report.reader.variables),
            "used": findings.taken in around.used,
            "skipped_lines": around.skipped,
        },
        "lookalikes": [
            {"variable": one.variable, **_of(one.report, *_OF_KEY), "same_key": one.same_key}
            for one in findings.lookalikes
        ],
        "notes": findings.notes,
        "live": live and _of(live, *_OF_LIVE),
    }
    return redact(json.dumps(found), _searched(around)) + "\n"


def _searched(around: Environment) -> KnownKeys:
    """Return the keys that a name of a variable, a path or a host may contain."""
    return known_keys([one for one in keys_in(around.variables) if len(one) <= LONGEST_SECRET])


def _of(facts: object, *names: str) -> dict[str, object]:
    return {name: getattr(facts, name) for name in names}


def as_text(findings: Findings) -> str:
    """Return ASCII text with the verdict, the remedy and the facts."""
    known, lines = _searched(findings.around), [""]
    for name, text in _facts(findings):
        lines += textwrap.wrap(
            redact(text, known),
            _WIDTH,
            initial_indent=f"{name:{_COLUMN}}",
            subsequent_indent=" " * _COLUMN,
            break_long_words=False,
            break_on_hyphens=False,
        )
    colour = {True: "good", False: "bad", None: "warning"}[findings.can_work]
    # A path or a name may contain non-ASCII characters or terminal escape sequences.
    shown = [escape_controls(one).encode("ascii", "backslashreplace").decode() for one in lines]
    return "".join(f"{one}\n" for one in (paint(_verdict(findings), colour), *shown))


def _verdict(findings: Findings) -> str:
    live = findings.live
    if findings.diagnosis is not None:
        return f"BAD: the key cannot work ({findings.cause})."
    if live is None:
        known = findings.report.well_formed
        return "GOOD: the key can work." if known else "GOOD, perhaps: the key may work."
    if live.accepted:
        return "GOOD: the key works."
    if live.diagnosis is None:
        return f"UNKNOWN: could not determine whether the key works ({live.outcome})."
    verb = "is refused" if live.outcome == "refused" else "does not arrive"
    return f"BAD: the key {verb} ({findings.cause})."


def _facts(findings: Findings) -> Iterator[tuple[str, str]]:
    live = findings.live
    if live is not None and live.outcome != "not_sent":
        yield "what happened", live.detail
    if findings.remedy:
        yield "what to do", findings.remedy
    report = findings.report
    yield "key", _origin(findings)
    if report.presence == "present":
        yield "shape", _shape(report)
    if report.problems:
        yield "wrong with it", "; ".join(faults(report))
    if report.fingerprint:
        yield "fingerprint", report.fingerprint
    if live is not None:
        yield from _asked(live)
    elif findings.can_work:
        yield "Together", "was not asked; use --live to ask"
    yield from _others(findings.lookalikes, report)
    yield from (("note", note) for note in findings.notes)


def _asked(live: LiveResult) -> Iterator[tuple[str, str]]:
    if live.outcome == "not_sent":
        yield "Together", live.detail
    if live.url:
        yield "asked", live.url + (f" through the proxy {live.proxy}" if live.proxy else "")
    if live.status_code is not None:
        request = f", request {live.request_id}" if live.request_id else ""
        yield "answer", f"{live.status_code}{request}"


def _others(found: list[Lookalike], report: KeyReport) -> Iterator[tuple[str, str]]:
    for one in found[:_LISTED]:
        what = "empty" if one.report.presence == "empty" else _shape(one.report)
        if one.report.presence != "empty" and report.presence == "present":
            what += ", the same key" if one.same_key else ", another value"
        yield "also set", f"{one.variable}: {what}"
    if len(found) > _LISTED:
        yield "", f"and {len(found) - _LISTED} more"


def _origin(findings: Findings) -> str:
    report = findings.report
    if report.presence == "missing":
        names = " and ".join(report.reader.variables)
        verb = "is" if len(report.reader.variables) == 1 else "are"
        return f"{names} {verb} not set" + (" there either" if findings.around.file else "")
    there = findings.taken in findings.around.used
    return f"{findings.taken} of {findings.around.file if there else 'the environment'}"


def _shape(report: KeyReport) -> str:
    what = _SHAPES.get(report.format, f"a key of {report.provider}")
    return f"{what}, {report.length} characters"
