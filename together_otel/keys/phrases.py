"""Words for a key and what is wrong with it, of which remedies are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from together_otel.names import KEY_VARIABLE, KEYS_PAGE, Problem

if TYPE_CHECKING:
    from together_otel.keys.inspection import KeyReport


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


def subject(report: KeyReport) -> str:
    """Return what to call a key by the place it came from, at a sentence's start."""
    return {
        "argument": "The api_key argument",
        "environment": KEY_VARIABLE,
        "colab": f"The Colab secret {KEY_VARIABLE}",
        "header": "The Authorization header",
        "none": KEY_VARIABLE,
    }[report.source]


def setting(report: KeyReport) -> str:
    """Return the verb for giving the SDK another key in the same place."""
    return "pass" if report.source == "argument" else "set it to"


def state(report: KeyReport) -> str:
    """Return what a key that cannot work is."""
    if report.presence == "missing":
        return "is not set"
    if report.presence == "empty":
        return "is empty"
    if report.format == "placeholder" and "unexpanded_reference" not in report.problems:
        return "is a placeholder"
    if report.format == "other_provider":
        return f"is a key of {report.provider}"
    return _found(report)[0]


def fault(report: KeyReport) -> str:
    """Return the most telling thing that is wrong with a key, and what to do about it."""
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
