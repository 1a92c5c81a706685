"""Phrases that name a key and its problems, from which remedies are composed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from together_otel.names import KEYS_PAGE, Problem

if TYPE_CHECKING:
    from together_otel.keys.inspection import KeyReport


_FAULTS: dict[Problem, tuple[str, str]] = {
    "not_text": (
        "is an object, not text",
        "pass the text in it, by decode() of bytes or get_secret_value() of a SecretStr",
    ),
    "json_document": (
        "holds a JSON document, not a key",
        "use only the value of the key inside it",
    ),
    "file_path": ("holds a path or a reference to a key, not the key", "use what is stored there"),
    "base64_encoded": ("holds a key in base64", "decode it where it is set"),
    "unexpanded_reference": (
        "holds a reference that nothing expanded",
        "let the shell, compose file or template that sets it fill in the value",
    ),
    "newline": ("contains a newline", "put the key alone on one line where it is set"),
    "assignment": ("holds a whole NAME=value line", "keep only the value"),
    "bearer_prefix": ("starts with the word Bearer", "leave it out, as the client adds it itself"),
    "quoted": ("has quotes around it", "remove them where it is set"),
    "doubled": ("holds the key twice", "paste it once"),
    "control_character": ("contains a control character", "copy the key again as plain text"),
    "invisible_character": (
        "contains an invisible character",
        "copy the key again as plain text, without a byte-order mark",
    ),
    "surrounding_whitespace": ("has spaces around it", "strip them where it is set"),
    # Before white space, which often separates the key from a comment.
    "too_long": (
        "is too long for a Together key",
        "copy the key again, without anything around it",
    ),
    "inner_whitespace": ("has white space inside", "copy the key again in one piece"),
    "non_ascii": ("contains a character that is not ASCII", "copy the key again as plain text"),
    "case_changed": ("has letters of the wrong case", "copy the key again as it is displayed"),
    "too_short": ("is too short for a Together key", "copy the whole key"),
}
"""Each problem as a phrase, and how to fix it. A remedy names the first one that a key has."""

_SPECIFIC: Final[frozenset[Problem]] = frozenset(("unexpanded_reference", "file_path", "not_text"))
"""Problems that are named instead of saying that a key is a placeholder."""

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
"""Problems beside which a newline may stand anywhere; without them it is the last character."""


def faults(report: KeyReport) -> tuple[str, ...]:
    """Return a phrase for each problem of a key, in the contract's order."""
    return tuple(_of(problem, report)[0] for problem in report.problems)


def flaws(report: KeyReport) -> tuple[str, ...]:
    """Return why a key cannot work, in phrases whose subject is the key."""
    if report.presence != "present":
        return ("is empty",)
    if report.provider is not None:
        return (f"is a key of {report.provider}",)
    return faults(report) or (_found(report)[0],)


def subject(report: KeyReport) -> str:
    """Return the subject of a sentence about a key, named by its source."""
    if report.source == "argument" and report.variable not in (None, report.lookalike):
        return f"{report.variable}, passed as the api_key argument,"
    return {
        "argument": "The api_key argument",
        "environment": _from(report),
        "colab": f"The Colab secret {report.reads}",
        "header": "The Authorization header",
        "none": report.reads,
    }[report.source]


def _from(report: KeyReport) -> str:
    return report.reads if report.variable in (None, report.lookalike) else str(report.variable)


def setting(report: KeyReport) -> str:
    """Return the verb for replacing the key at its source."""
    passed = report.source == "argument" and report.variable in (None, report.lookalike)
    # Other programs may need the variable unchanged.
    is_of_others = report.format == "other_provider" and report.variable == "OPENAI_API_KEY"
    return "pass" if passed or is_of_others else "set it to"


def state(report: KeyReport) -> str:
    """Return the predicate of a sentence that says why a key cannot work."""
    if report.presence == "missing":
        return "is not set"
    if report.presence == "empty":
        return "is empty"
    if report.format == "placeholder" and _SPECIFIC.isdisjoint(report.problems):
        return "is a placeholder"
    if report.format == "other_provider":
        return f"is a key of {report.provider}"
    return _found(report)[0]


def unset(report: KeyReport) -> str:
    """Return the variables that a client reads, and that they hold no key."""
    reader = report.reader
    if report.presence != "missing":
        return f"{reader.listed()}; {_from(report)} {state(report)}"
    several = {1: "it is", 2: "both are"}.get(len(reader.variables), "all of them are")
    return f"{reader.listed()}; {several} unset"


def fault(report: KeyReport) -> str:
    """Return a key's main problem, and how to fix it."""
    what, cure = _found(report)
    return f"{what}: {cure}"


def _of(problem: Problem, report: KeyReport) -> tuple[str, str]:
    at_the_end = problem == "newline" and _AFTER_THE_NEWLINE.isdisjoint(report.problems)
    return _NEWLINE_AT_THE_END if at_the_end else _FAULTS[problem]


def _found(report: KeyReport) -> tuple[str, str]:
    for problem in _FAULTS:
        if problem in report.problems:
            return _of(problem, report)
    if report.format == "placeholder":
        return "is a placeholder", f"put a key from {KEYS_PAGE} in its place"
    if report.format == "damaged":
        return "has a character that no Together key has", "copy the key again"
    return "cannot be sent in an HTTP header", "copy the key again as plain text"
