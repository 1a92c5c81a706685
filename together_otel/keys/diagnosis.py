"""A report and what happened → the cause, and what to do about it in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, Literal

from together_otel.keys.formats import is_together_host
from together_otel.names import KEY_VARIABLE, KEYS_PAGE, Cause, Problem

if TYPE_CHECKING:
    from together_otel.keys.inspection import KeyReport


@dataclass(frozen=True, slots=True)
class Refusal:
    """What happened, without the key.

    Attributes:
        kind: the constructor refused, the key did not fit into a header, or a server said no.
        sent: what the Authorization header really carried, against the client's key.
        override: the option that replaced the header, where known.
        redirected_from: host first asked, when a redirect to another lost the key.
        host_refused: host that refused it.
        together_error: whether the answer was in Together's error format.
        accepted_before: Unix time at which this key was last accepted in this process.
    """

    kind: Literal["constructor", "unsendable", "refused"]
    sent: Literal["key", "other", "nothing"] = "key"
    override: str | None = None
    redirected_from: str | None = None
    host_refused: str | None = None
    together_error: bool = True
    accepted_before: float | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why it failed, and one sentence on what to do."""

    cause: Cause
    remedy: str


_FAULTS: dict[Problem, tuple[str, str]] = {
    "unexpanded_reference": (
        "holds a reference that nothing expanded",
        "let the shell, compose file or template that sets it fill in the value",
    ),
    "newline": ("contains a newline", "put the key alone on one line where it is set"),
    "assignment": ("holds a whole NAME=value line", "keep only the value"),
    "bearer_prefix": ("starts with the word Bearer", "leave it out, as the SDK adds it itself"),
    "quoted": ("has quotes around it", "remove them where it is set"),
    "doubled": ("holds the key twice", "paste it once"),
    "control_character": ("contains a control character", "copy the key again as plain text"),
    "invisible_character": (
        "contains an invisible character",
        "copy the key again as plain text, without a byte-order mark",
    ),
    "surrounding_whitespace": ("has spaces around it", "strip them where it is set"),
    "inner_whitespace": ("has white space inside", "copy the key again in one piece"),
    "non_ascii": ("contains a character that is not ASCII", "copy the key again as plain text"),
    "case_changed": ("has letters of the wrong case", "copy the key again as it is displayed"),
    "too_short": ("is too short for a Together key", "copy the whole key"),
    "too_long": ("is too long for a Together key", "copy the key again, and nothing around it"),
}
"""The most telling problem first: it is the one that the remedy names."""

_NEWLINE_AT_THE_END: Final = ("ends in a newline", "strip it where the secret is mounted")

_AFTER_THE_NEWLINE: Final[frozenset[Problem]] = frozenset(
    (
        "surrounding_whitespace",
        "inner_whitespace",
        "control_character",
        "invisible_character",
        "quoted",
        "bearer_prefix",
        "assignment",
    )
)
"""Beside any of these a newline need not be the last character; alone it is."""


def diagnose(report: KeyReport, refusal: Refusal) -> Diagnosis:
    """Return the first cause of the contract that fits, with its remedy.

    Args:
        report: the key that was sent, or should have been.
        refusal: what happened to it.
    """
    return (
        _of_the_way(report, refusal)
        or _of_no_key(report)
        or _of_a_bad_key(report, refusal)
        or _of_the_server(report, refusal)
    )


def faults(report: KeyReport) -> tuple[str, ...]:
    """Return what is wrong with a key, a phrase for each problem, in the contract's order."""
    return tuple(
        _NEWLINE_AT_THE_END[0]
        if problem == "newline" and _ends_in_a_newline(report)
        else _FAULTS[problem][0]
        for problem in report.problems
    )


def flaws(report: KeyReport) -> tuple[str, ...]:
    """Return why a key that cannot work cannot, in phrases of which the key is the subject."""
    if report.presence != "present":
        return ("is empty",)
    if report.provider is not None:
        return (f"is a key of {report.provider}",)
    return faults(report) or ("is a placeholder",)


def _of_the_way(report: KeyReport, refusal: Refusal) -> Diagnosis | None:
    if refusal.redirected_from is not None:
        return Diagnosis(
            "redirected",
            f"The request to {refusal.redirected_from} was redirected to"
            f" {refusal.host_refused or 'another host'}, and HTTP clients do not send a key on to"
            f" another host: point base_url or TOGETHER_BASE_URL at the final one.",
        )
    if refusal.sent == "key":
        return None
    if refusal.sent == "nothing" and refusal.override is None and report.presence != "present":
        return None  # there was nothing to send, and nothing is known to have removed it
    where = {
        None: "default_headers, extra_headers, TOGETHER_CUSTOM_HEADERS and the HTTP client's auth",
        "http_client": "the auth of the HTTP client that was passed as http_client",
    }.get(refusal.override, refusal.override)
    if refusal.sent == "nothing":
        what = "The Authorization header was removed before the request was sent"
    else:
        what = "The Authorization header that was sent does not hold the client's key"
    verb = "check" if refusal.override is None else "take Authorization out of"
    return Diagnosis("overridden", f"{what}: {verb} {where}.")


def _of_no_key(report: KeyReport) -> Diagnosis | None:
    no_key = report.presence != "present" or report.format == "placeholder"
    if no_key and report.lookalike is not None:
        state = {"missing": "is not set", "empty": "is empty"}.get(
            report.presence, "is a placeholder"
        )
        rename = (
            f"drop the argument and rename the variable to {KEY_VARIABLE}"
            if report.source == "argument"
            else f"rename it to {KEY_VARIABLE}, the variable that the SDK reads"
        )
        return Diagnosis(
            "wrong_variable",
            f"{_subject(report)} {state}, but {report.lookalike} holds a key of Together's shape:"
            f" {rename}.",
        )
    if report.shadows_good_key and (no_key or report.problems or not report.usable):
        return Diagnosis(
            "not_passed",
            f"{_subject(report)} {_state(report)} and hides the good key in {KEY_VARIABLE}:"
            f" drop the argument, or pass it os.environ['{KEY_VARIABLE}'].",
        )
    if report.presence == "missing":
        return Diagnosis(
            "missing",
            f"No key was found: set {KEY_VARIABLE} to a key from {KEYS_PAGE}, or pass api_key"
            f" to the client.",
        )
    if report.presence == "empty":
        what = "is empty" if report.length == 0 else "holds only white space"
        return Diagnosis(
            "empty",
            f"{_subject(report)} {what}: {_set(report)} a key from {KEYS_PAGE}.",
        )
    return None


def _of_a_bad_key(report: KeyReport, refusal: Refusal) -> Diagnosis | None:
    if report.format == "other_provider":
        return Diagnosis(
            "wrong_provider",
            f"{_subject(report)} is a key of {report.provider}: {_set(report)} a Together key"
            f" from {KEYS_PAGE}.",
        )
    # A shape that nobody knows may be right, but not with white space or quotes round it.
    broken = report.format in ("damaged", "placeholder") or report.problems
    if broken or refusal.kind == "unsendable":
        return Diagnosis("malformed", f"{_subject(report)} {_fault(report)}.")
    return None


def _of_the_server(report: KeyReport, refusal: Refusal) -> Diagnosis:
    if refusal.accepted_before is not None:
        since = datetime.fromtimestamp(refusal.accepted_before, timezone.utc)
        return Diagnosis(
            "revoked",
            f"{_subject(report)} was accepted until {since:%Y-%m-%dT%H:%M:%SZ} and is refused now,"
            f" so it was revoked or has expired: make a new key at {KEYS_PAGE} and replace it.",
        )
    host = refusal.host_refused
    if host is not None and not refusal.together_error and not is_together_host(host):
        return Diagnosis(
            "wrong_endpoint",
            f"The refusal came from {host}, which is not Together: check base_url and"
            f" TOGETHER_BASE_URL, and any proxy on the way.",
        )
    if report.well_formed:
        return Diagnosis(
            "rejected",
            f"{_subject(report)} is well formed, but Together refuses it and never accepted it in"
            f" this process: compare it with {KEYS_PAGE}, as it may be mistyped, another"
            f" account's, or have expired.",
        )
    return Diagnosis(
        "unknown",
        f"{_subject(report)} has none of the shapes of a Together key and was refused: compare it"
        f" with {KEYS_PAGE}.",
    )


def _subject(report: KeyReport) -> str:
    """Return what to call a key by the place it came from, at a sentence's start."""
    return {
        "argument": "The api_key argument",
        "environment": KEY_VARIABLE,
        "colab": f"The Colab secret {KEY_VARIABLE}",
        "header": "The Authorization header",
        "none": KEY_VARIABLE,
    }[report.source]


def _set(report: KeyReport) -> str:
    return "pass" if report.source == "argument" else "set it to"


def _state(report: KeyReport) -> str:
    if report.presence == "empty":
        return "is empty"
    if report.format == "placeholder" and "unexpanded_reference" not in report.problems:
        return "is a placeholder"
    if report.format == "other_provider":
        return f"is a key of {report.provider}"
    return _found(report)[0]


def _fault(report: KeyReport) -> str:
    what, cure = _found(report)
    return f"{what}: {cure}"


def _ends_in_a_newline(report: KeyReport) -> bool:
    return "newline" in report.problems and _AFTER_THE_NEWLINE.isdisjoint(report.problems)


def _found(report: KeyReport) -> tuple[str, str]:
    if _ends_in_a_newline(report):
        return _NEWLINE_AT_THE_END
    for problem, found in _FAULTS.items():
        if problem in report.problems:
            return found
    if report.format == "placeholder":
        return "is a placeholder", f"put a key from {KEYS_PAGE} in its place"
    return "cannot be sent in an HTTP header", "copy the key again as plain text"
