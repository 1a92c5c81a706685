"""Report and refusal → the cause, and one sentence that helps at three in the morning."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from together_otel.keys import KeyReport, Refusal, diagnose, faults, flaws, inspect_key
from together_otel.names import CAUSES, FORMATS, PRESENCES, PROBLEMS, SOURCES

KEY = "tgp_" + "v1_" + "a1B2" * 10 + "xyz"
LEGACY = "0123456789abcdef" * 4
OPENAI = "sk" + "-proj-" + "Q7w" * 10
PAGE = "https://api.together.ai/settings/api-keys"
VARIABLE = "TOGETHER_API_KEY"

REFUSED = Refusal("refused")
CONSTRUCTOR = Refusal("constructor")
UNSENDABLE = Refusal("unsendable")


def env(key: str | None = None, **others: str) -> KeyReport:
    return inspect_key(environ=others if key is None else {VARIABLE: key, **others})


def arg(key: str, **environ: str) -> KeyReport:
    return inspect_key(key, environ=environ)


GOOD = env(KEY)
CAUSE_TABLE: list[tuple[KeyReport, Refusal, str, str]] = [
    (
        GOOD,
        Refusal("refused", redirected_from="a.example", host_refused="b.example"),
        "redirected",
        (
            "The request to a.example was redirected to b.example, and HTTP clients do not send a key"
            " on to another host: point base_url or TOGETHER_BASE_URL at the final one."
        ),
    ),
    (
        GOOD,
        Refusal("refused", redirected_from="a.example"),
        "redirected",
        (
            "The request to a.example was redirected to another host, and HTTP clients do not send a"
            " key on to another host: point base_url or TOGETHER_BASE_URL at the final one."
        ),
    ),
    (
        GOOD,
        Refusal("refused", sent="other", override="extra_headers"),
        "overridden",
        (
            "The Authorization header that was sent does not hold the client's key: take Authorization"
            " out of extra_headers."
        ),
    ),
    (
        GOOD,
        Refusal("refused", sent="other"),
        "overridden",
        (
            "The Authorization header that was sent does not hold the client's key: check"
            " default_headers, extra_headers, TOGETHER_CUSTOM_HEADERS and the HTTP client's auth."
        ),
    ),
    (
        GOOD,
        Refusal("refused", sent="nothing", override="http_client"),
        "overridden",
        (
            "The Authorization header was removed before the request was sent: take Authorization out"
            " of the auth of the HTTP client that was passed as http_client."
        ),
    ),
    (
        env(TOGETHERAI_API_KEY=KEY),
        CONSTRUCTOR,
        "wrong_variable",
        (
            "TOGETHER_API_KEY is not set, but TOGETHERAI_API_KEY holds a key of Together's shape:"
            " rename it to TOGETHER_API_KEY, the variable that the SDK reads."
        ),
    ),
    (
        env("", TOGETER_API_KEY=KEY),
        UNSENDABLE,
        "wrong_variable",
        (
            "TOGETHER_API_KEY is empty, but TOGETER_API_KEY holds a key of Together's shape:"
            " rename it to TOGETHER_API_KEY, the variable that the SDK reads."
        ),
    ),
    (
        arg("changeme", TOGETHER_TOKEN=LEGACY),
        REFUSED,
        "wrong_variable",
        (
            "The api_key argument is a placeholder, but TOGETHER_TOKEN holds a key of Together's"
            " shape: drop the argument and rename the variable to TOGETHER_API_KEY."
        ),
    ),
    (
        arg("", TOGETHER_API_KEY=KEY),
        UNSENDABLE,
        "not_passed",
        (
            "The api_key argument is empty and hides the good key in TOGETHER_API_KEY: drop the"
            " argument, or pass it os.environ['TOGETHER_API_KEY']."
        ),
    ),
    (
        arg("changeme", TOGETHER_API_KEY=KEY),
        REFUSED,
        "not_passed",
        (
            "The api_key argument is a placeholder and hides the good key in TOGETHER_API_KEY: drop"
            " the argument, or pass it os.environ['TOGETHER_API_KEY']."
        ),
    ),
    (
        arg("${TOGETHER_API_KEY}", TOGETHER_API_KEY=KEY),
        REFUSED,
        "not_passed",
        (
            "The api_key argument holds a reference that nothing expanded and hides the good key in"
            " TOGETHER_API_KEY: drop the argument, or pass it os.environ['TOGETHER_API_KEY']."
        ),
    ),
    (
        arg(OPENAI, TOGETHER_API_KEY=KEY),
        REFUSED,
        "not_passed",
        (
            "The api_key argument is a key of OpenAI and hides the good key in TOGETHER_API_KEY: drop"
            " the argument, or pass it os.environ['TOGETHER_API_KEY']."
        ),
    ),
    (
        arg(KEY[:-1], TOGETHER_API_KEY=KEY),
        REFUSED,
        "not_passed",
        (
            "The api_key argument is too short for a Together key and hides the good key in"
            " TOGETHER_API_KEY: drop the argument, or pass it os.environ['TOGETHER_API_KEY']."
        ),
    ),
    (
        env(),
        CONSTRUCTOR,
        "missing",
        (
            f"No key was found: set TOGETHER_API_KEY to a key from {PAGE}, or pass api_key to the"
            " client."
        ),
    ),
    (
        env(""),
        UNSENDABLE,
        "empty",
        f"TOGETHER_API_KEY is empty: set it to a key from {PAGE}.",
    ),
    (
        env(" \n"),
        UNSENDABLE,
        "empty",
        f"TOGETHER_API_KEY holds only white space: set it to a key from {PAGE}.",
    ),
    (
        arg(""),
        UNSENDABLE,
        "empty",
        f"The api_key argument is empty: pass a key from {PAGE}.",
    ),
    (
        inspect_key("", source="colab", environ={}),
        UNSENDABLE,
        "empty",
        f"The Colab secret TOGETHER_API_KEY is empty: set it to a key from {PAGE}.",
    ),
    (
        env(OPENAI),
        REFUSED,
        "wrong_provider",
        f"TOGETHER_API_KEY is a key of OpenAI: set it to a Together key from {PAGE}.",
    ),
    (
        arg(OPENAI),
        REFUSED,
        "wrong_provider",
        f"The api_key argument is a key of OpenAI: pass a Together key from {PAGE}.",
    ),
    (
        env(f"{KEY}\n"),
        UNSENDABLE,
        "malformed",
        "TOGETHER_API_KEY ends in a newline: strip it where the secret is mounted.",
    ),
    (
        env("changeme"),
        REFUSED,
        "malformed",
        f"TOGETHER_API_KEY is a placeholder: put a key from {PAGE} in its place.",
    ),
    (
        env(LEGACY),
        UNSENDABLE,
        "malformed",
        "TOGETHER_API_KEY cannot be sent in an HTTP header: copy the key again as plain text.",
    ),
    (
        GOOD,
        Refusal("refused", accepted_before=1_700_000_000.9),
        "revoked",
        (
            "TOGETHER_API_KEY was accepted until 2023-11-14T22:13:20Z and is refused now, so it was"
            f" revoked or has expired: make a new key at {PAGE} and replace it."
        ),
    ),
    (
        GOOD,
        Refusal("refused", host_refused="proxy.example", together_error=False),
        "wrong_endpoint",
        (
            "The refusal came from proxy.example, which is not Together: check base_url and"
            " TOGETHER_BASE_URL, and any proxy on the way."
        ),
    ),
    (
        GOOD,
        REFUSED,
        "rejected",
        (
            "TOGETHER_API_KEY is well formed, but Together refuses it and never accepted it in this"
            f" process: compare it with {PAGE}, as it may be mistyped, another account's, or have"
            " expired."
        ),
    ),
    (
        env("opaque.token/012"),
        REFUSED,
        "unknown",
        (
            "TOGETHER_API_KEY has none of the shapes of a Together key and was refused: compare it"
            f" with {PAGE}."
        ),
    ),
    (
        inspect_key(KEY, source="header", environ={}),
        REFUSED,
        "rejected",
        (
            "The Authorization header is well formed, but Together refuses it and never accepted it"
            f" in this process: compare it with {PAGE}, as it may be mistyped, another account's, or"
            " have expired."
        ),
    ),
]


@pytest.mark.parametrize(("report", "refusal", "cause", "remedy"), CAUSE_TABLE)
def test_cause_and_remedy(report: KeyReport, refusal: Refusal, cause: str, remedy: str) -> None:
    diagnosis = diagnose(report, refusal)
    assert (diagnosis.cause, diagnosis.remedy) == (cause, remedy)


def test_the_table_has_every_cause() -> None:
    assert {row[2] for row in CAUSE_TABLE} == set(CAUSES)


PROBLEM_TABLE = [
    (f"{KEY} ", "has spaces around it: strip them where it is set."),
    (f"{KEY[:9]} {KEY[9:]}", "has white space inside: copy the key again in one piece."),
    (f"{KEY}\n", "ends in a newline: strip it where the secret is mounted."),
    (
        f"{KEY[:9]}\n{KEY[9:]}",
        "contains a newline: put the key alone on one line where it is set.",
    ),
    (f"\n{KEY}", "contains a newline: put the key alone on one line where it is set."),
    (f"{KEY}\n\ufeff", "contains a newline: put the key alone on one line where it is set."),
    (f"{KEY[:9]}\0{KEY[9:]}", "contains a control character: copy the key again as plain text."),
    (f"{KEY[:-1]}é", "contains a character that is not ASCII: copy the key again as plain text."),
    (
        f"\ufeff{KEY}",
        (
            "contains an invisible character: copy the key again as plain text, without a byte-order"
            " mark."
        ),
    ),
    (f"'{KEY}'", "has quotes around it: remove them where it is set."),
    (f"Bearer {KEY}", "starts with the word Bearer: leave it out, as the SDK adds it itself."),
    (f"{VARIABLE}={KEY}", "holds a whole NAME=value line: keep only the value."),
    (
        "${TOGETHER_API_KEY}",
        (
            "holds a reference that nothing expanded: let the shell, compose file or template that"
            " sets it fill in the value."
        ),
    ),
    (KEY[:-1], "is too short for a Together key: copy the whole key."),
    (KEY + "a", "is too long for a Together key: copy the key again, and nothing around it."),
    (KEY * 2, "holds the key twice: paste it once."),
    (KEY.upper(), "has letters of the wrong case: copy the key again as it is displayed."),
]


@pytest.mark.parametrize(("key", "sentence"), PROBLEM_TABLE)
def test_problem(key: str, sentence: str) -> None:
    diagnosis = diagnose(env(key), REFUSED)
    assert (diagnosis.cause, diagnosis.remedy) == ("malformed", f"TOGETHER_API_KEY {sentence}")
    assert diagnose(arg(key), REFUSED).remedy == f"The api_key argument {sentence}"


def test_the_table_has_every_problem() -> None:
    assert {problem for key, _ in PROBLEM_TABLE for problem in env(key).problems} == set(PROBLEMS)


def test_the_most_telling_problem_is_named() -> None:
    """Whoever pasted the whole line needs not hear of its quotes first."""
    remedy = diagnose(env(f'{VARIABLE}="Bearer {KEY[:-1]}"'), REFUSED).remedy
    assert remedy.startswith("TOGETHER_API_KEY holds a whole NAME=value line")


def made(**fields: Any) -> KeyReport:
    """Return a report that no key gives: two causes fit it."""
    return KeyReport(**{"presence": "present", "source": "argument", "format": "tgp_v1", **fields})


HERE = {"host_refused": "b.example", "together_error": False}
PRECEDENCE: list[tuple[str, str, KeyReport, Refusal]] = [
    ("redirected", "overridden", GOOD, Refusal("refused", "nothing", redirected_from="a")),
    ("overridden", "wrong_variable", env(TOGETHER_KEY=KEY), Refusal("refused", "other")),
    (
        "wrong_variable",
        "not_passed",
        made(presence="empty", lookalike="TOGETHER_KEY", shadows_good_key=True),
        REFUSED,
    ),
    ("not_passed", "missing", made(presence="missing", shadows_good_key=True), REFUSED),
    ("not_passed", "empty", arg("", TOGETHER_API_KEY=KEY, TOGETHER_KEY=LEGACY), REFUSED),
    ("overridden", "missing", env(), Refusal("refused", "nothing", "extra_headers")),
    ("missing", "wrong_provider", made(presence="missing", format="other_provider"), REFUSED),
    ("empty", "wrong_provider", made(presence="empty", format="other_provider"), REFUSED),
    ("wrong_provider", "malformed", env(f"{OPENAI}\n"), UNSENDABLE),
    ("malformed", "revoked", env(f"{KEY} "), Refusal("refused", accepted_before=1.0)),
    ("revoked", "wrong_endpoint", GOOD, Refusal("refused", accepted_before=1.0, **HERE)),
    ("wrong_endpoint", "rejected", GOOD, Refusal("refused", **HERE)),
    ("rejected", "unknown", GOOD, REFUSED),
]


@pytest.mark.parametrize(("first", "second", "report", "refusal"), PRECEDENCE)
def test_the_first_cause_that_fits_wins(
    first: str, second: str, report: KeyReport, refusal: Refusal
) -> None:
    assert CAUSES.index(first) < CAUSES.index(second)
    assert diagnose(report, refusal).cause == first


@pytest.mark.parametrize(("key", "cause"), [(None, "missing"), ("", "empty")])
def test_nothing_sent_for_want_of_a_key(key: str | None, cause: str) -> None:
    """Where there was no key, no header is no sign that one was removed."""
    report = inspect_key(key, source="argument", environ={})
    assert diagnose(report, Refusal("refused", sent="nothing")).cause == cause


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal("refused", host_refused="api.together.ai", together_error=False),
        Refusal("refused", host_refused="proxy.example", together_error=True),
        Refusal("refused", host_refused=None, together_error=False),
    ],
)
def test_no_wrong_endpoint(refusal: Refusal) -> None:
    """Together's own host, its own error format, or no known host: nothing to accuse."""
    assert diagnose(GOOD, refusal).cause == "rejected"


@pytest.mark.parametrize("key", [KEY, "opaque.token/012"])
def test_a_key_that_may_work_is_no_shadow(key: str) -> None:
    report = made(format=inspect_key(key).format, shadows_good_key=True)
    assert diagnose(report, REFUSED).cause in ("rejected", "unknown")


HOSTS = st.sampled_from(["a.example", "api.together.ai", "127.0.0.1"])
REPORTS = st.builds(
    KeyReport,
    presence=st.sampled_from(PRESENCES),
    source=st.sampled_from(SOURCES),
    format=st.sampled_from(FORMATS),
    problems=st.sets(st.sampled_from(PROBLEMS)).map(
        lambda found: tuple(problem for problem in PROBLEMS if problem in found)
    ),
    length=st.none() | st.integers(0, 200),
    variable=st.none() | st.just(VARIABLE),
    provider=st.sampled_from([None, "OpenAI", "Hugging Face"]),
    lookalike=st.sampled_from([None, "TOGETHER_KEY"]),
    shadows_good_key=st.booleans(),
)
REFUSALS = st.builds(
    Refusal,
    kind=st.sampled_from(["constructor", "unsendable", "refused"]),
    sent=st.sampled_from(["key", "other", "nothing"]),
    override=st.sampled_from([None, "http_client", "extra_headers", "default_headers"]),
    redirected_from=st.none() | HOSTS,
    host_refused=st.none() | HOSTS,
    together_error=st.booleans(),
    accepted_before=st.none() | st.floats(0, 4e9),
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(REPORTS, REFUSALS)
def test_any_report_and_refusal_gives_a_cause_and_one_sentence(
    report: KeyReport, refusal: Refusal
) -> None:
    diagnosis = diagnose(report, refusal)
    assert diagnosis.cause in CAUSES
    assert re.fullmatch(r"[A-Z][^\n]*[^.\s]\.", diagnosis.remedy)
    assert not re.search(r"[.!?]\s", diagnosis.remedy)
    assert diagnosis.remedy.count(": ") == 1


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (KEY, ()),
        (KEY + "\n", ("ends in a newline",)),
        (" " + KEY, ("has spaces around it",)),
        (f'"{KEY}"\n', ("contains a newline", "has quotes around it")),
    ],
)
def test_faults(key: str, expected: tuple[str, ...]) -> None:
    """Each problem has its phrase; a newline is at the end where nothing else can follow it."""
    assert faults(arg(key)) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("", ("is empty",)),
        (f'"{OPENAI}"', ("is a key of OpenAI",)),
        ("changeme", ("is a placeholder",)),
        (f"{KEY}\n", ("ends in a newline",)),
    ],
)
def test_flaws(key: str, expected: tuple[str, ...]) -> None:
    """What is most wrong with a key that cannot work: its problems only where it may be one."""
    assert flaws(arg(key)) == expected
