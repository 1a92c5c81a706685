"""Report and refusal → the cause, and one sentence that helps at three in the morning."""

import base64
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from together_otel.keys import (
    Diagnosis,
    KeyReport,
    Reader,
    Refusal,
    diagnose,
    inspect_key,
    redact,
    sent_elsewhere,
)
from together_otel.keys.diagnosis import OVERRIDES
from together_otel.keys.phrases import faults, flaws
from together_otel.names import CAUSES, FORMATS, PRESENCES, PROBLEMS, SOURCES

KEY = "tgp_" + "v1_" + "a1B2" * 10 + "xyz"
LEGACY = "0123456789abcdef" * 4
OPENAI = "sk" + "-proj-" + "Q7w" * 10
PAGE = "https://api.together.ai/settings/api-keys"
VARIABLE = "TOGETHER_API_KEY"

REFUSED = Refusal("refused")
FOREIGN = {"host_refused": "b.example", "from_together": False}
CONSTRUCTOR = Refusal("constructor")
UNSENDABLE = Refusal("unsendable")


def env(key=None, **others):
    return inspect_key(environ=others if key is None else {VARIABLE: key, **others})


def arg(key, **environ):
    return inspect_key(key, environ=environ)


SENT_OTHER = "The Authorization header that was sent does not hold the client's key: "
REMOVED = "The Authorization header is not in the request that was sent: "
PLACES = (
    "check default_headers, extra_headers, TOGETHER_CUSTOM_HEADERS, a user name and password in"
    " base_url, the HTTP client's auth, request hooks and transport, any client class of your own, and"
    " with together 1.x ~/.netrc."
)
NO_KEY_FOUND = (
    "found no key: a proxy or gateway on the way removes the Authorization header, and must pass it"
    " on."
)
ARGUMENT = "The api_key argument"
HIDES = (
    "and hides the good key in TOGETHER_API_KEY: drop the argument, or pass it"
    " os.environ['TOGETHER_API_KEY']."
)
HOLDS = "holds a key of Together's shape:"
RENAME = f"{HOLDS} rename it to TOGETHER_API_KEY, the variable that the SDK reads."
COMPARE = (
    f"never accepted it in this process: compare it with {PAGE}, as it may be mistyped, another"
    " account's, revoked or expired."
)


def refused(**evidence):
    return Refusal("refused", **evidence)


def to_another_host(**evidence):
    return refused(redirected_from="a.example", **evidence)


GOOD = env(KEY)
BY_CAUSE = {
    "redirected": [
        (
            GOOD,
            to_another_host(host_refused="b.example"),
            (
                "The request to a.example was redirected to b.example, and HTTP clients do not send a"
                " key on to another host: point base_url or TOGETHER_BASE_URL at the final one."
            ),
        ),
        (
            GOOD,
            to_another_host(),
            (
                "The request to a.example was redirected to another host, and HTTP clients do not send"
                " a key on to another host: point base_url or TOGETHER_BASE_URL at the final one."
            ),
        ),
    ],
    "overridden": [
        (GOOD, refused(sent="other"), SENT_OTHER + PLACES),
        (GOOD, refused(sent="nothing"), REMOVED + PLACES),
        (
            GOOD,
            refused(sent="other", override="extra_headers"),
            f"{SENT_OTHER}remove Authorization from extra_headers.",
        ),
        (
            GOOD,
            refused(sent="nothing", override="http_client"),
            (f"{REMOVED}remove the auth of the HTTP client that was passed as http_client."),
        ),
        (
            GOOD,
            refused(sent="other", override="base_url"),
            (
                f"{SENT_OTHER}remove the user name and password from base_url, which HTTP libraries"
                " turn into an Authorization header."
            ),
        ),
        (
            GOOD,
            refused(sent="other", override="request_hook"),
            (
                f"{SENT_OTHER}correct the request hooks of the HTTP client, one of which changes the"
                " header."
            ),
        ),
        (
            GOOD,
            refused(sent="other", override="netrc"),
            (
                f"{SENT_OTHER}remove the host from ~/.netrc, or the file that NETRC names, which"
                " requests reads."
            ),
        ),
    ],
    "header_lost": [
        (
            GOOD,
            refused(code="missing_api_key", host_refused="gateway.example"),
            f"TOGETHER_API_KEY was sent, but gateway.example {NO_KEY_FOUND}",
        ),
        (
            arg("opaque.token/012"),
            refused(code="missing_api_key"),
            f"{ARGUMENT} was sent, but the server {NO_KEY_FOUND}",
        ),
    ],
    "wrong_endpoint": [
        (
            GOOD,
            refused(host_refused="proxy.example", from_together=False),
            (
                "The refusal came from proxy.example, which is not Together: check base_url and"
                " TOGETHER_BASE_URL and any proxy on the way, or name a gateway of yours in"
                " TOGETHER_OTEL_HOSTS."
            ),
        ),
        (
            GOOD,
            refused(host_refused="api.together.ai", sign_in=True),
            (
                "A proxy or firewall on the way answered for api.together.ai with a login page: check"
                " HTTPS_PROXY and how programs reach the internet from this network."
            ),
        ),
    ],
    "revoked": [
        (
            GOOD,
            refused(host_refused="api.together.ai", accepted_before=1_700_000_000.9),
            (
                "TOGETHER_API_KEY was accepted until 2023-11-14T22:13:20Z and is refused now, so it was"
                f" revoked or has expired: make a new key at {PAGE} and replace it."
            ),
        ),
        (
            env("changeme"),
            refused(host_refused="gateway.example", from_together=False, accepted_before=0.0),
            (
                "TOGETHER_API_KEY was accepted until 1970-01-01T00:00:00Z and is refused now, so it was"
                " revoked or has expired: make a new key for gateway.example and replace it."
            ),
        ),
    ],
    "wrong_variable": [
        (
            env(TOGETHERAI_API_KEY=KEY),
            CONSTRUCTOR,
            f"TOGETHER_API_KEY is not set, but TOGETHERAI_API_KEY {RENAME}",
        ),
        (
            env("", TOGETER_API_KEY=KEY),
            UNSENDABLE,
            f"TOGETHER_API_KEY is empty, but TOGETER_API_KEY {RENAME}",
        ),
        (
            arg("changeme", TOGETHER_TOKEN=LEGACY),
            REFUSED,
            (
                f"{ARGUMENT} is a placeholder, but TOGETHER_TOKEN {HOLDS} drop the argument and rename"
                " the variable to TOGETHER_API_KEY."
            ),
        ),
    ],
    "not_passed": [
        (arg(key, TOGETHER_API_KEY=KEY), refusal, f"{ARGUMENT} {what} {HIDES}")
        for key, refusal, what in (
            ("", UNSENDABLE, "is empty"),
            ("changeme", REFUSED, "is a placeholder"),
            ("changeme\n", REFUSED, "is a placeholder"),
            ("${TOGETHER_API_KEY}", REFUSED, "holds a reference that nothing expanded"),
            (OPENAI, REFUSED, "is a key of OpenAI"),
            (KEY[:-1], REFUSED, "is too short for a Together key"),
        )
    ],
    "missing": [
        (
            env(),
            CONSTRUCTOR,
            (
                f"No key was found: set TOGETHER_API_KEY to a key from {PAGE}, or pass api_key to the"
                " client."
            ),
        )
    ],
    "empty": [
        (env(""), UNSENDABLE, f"TOGETHER_API_KEY is empty: set it to a key from {PAGE}."),
        (
            env(" \n"),
            UNSENDABLE,
            f"TOGETHER_API_KEY holds only white space: set it to a key from {PAGE}.",
        ),
        (arg(""), UNSENDABLE, f"{ARGUMENT} is empty: pass a key from {PAGE}."),
        (
            inspect_key("", source="colab", environ={}),
            UNSENDABLE,
            f"The Colab secret TOGETHER_API_KEY is empty: set it to a key from {PAGE}.",
        ),
    ],
    "wrong_provider": [
        (
            env(OPENAI),
            REFUSED,
            f"TOGETHER_API_KEY is a key of OpenAI: set it to a Together key from {PAGE}.",
        ),
        (arg(OPENAI), REFUSED, f"{ARGUMENT} is a key of OpenAI: pass a Together key from {PAGE}."),
    ],
    "malformed": [
        (
            GOOD,
            refused(has_scheme=False),
            (
                "The Authorization header does not begin with the word Bearer: put the word Bearer, and"
                " a space, before the key."
            ),
        ),
        (
            env(f"{KEY}\n"),
            UNSENDABLE,
            "TOGETHER_API_KEY ends in a newline: strip it where the secret is mounted.",
        ),
        (
            env("changeme"),
            REFUSED,
            f"TOGETHER_API_KEY is a placeholder: put a key from {PAGE} in its place.",
        ),
        (
            env(LEGACY),
            UNSENDABLE,
            "TOGETHER_API_KEY cannot be sent in an HTTP header: copy the key again as plain text.",
        ),
    ],
    "rejected": [
        (GOOD, REFUSED, f"TOGETHER_API_KEY is well formed, but Together refuses it and {COMPARE}"),
        (
            GOOD,
            refused(host_refused="gateway.example"),
            f"TOGETHER_API_KEY is well formed, but gateway.example refuses it and {COMPARE}",
        ),
        (
            inspect_key(KEY, source="header", environ={}),
            REFUSED,
            f"The Authorization header is well formed, but Together refuses it and {COMPARE}",
        ),
    ],
    "unknown": [
        (
            env("opaque.token/012"),
            REFUSED,
            (
                "TOGETHER_API_KEY has none of the shapes of a Together key and was refused: compare it"
                f" with {PAGE}."
            ),
        ),
        (
            arg(OPENAI, TOGETHER_API_KEY=KEY),
            refused(
                host_refused="litellm.example",
                extra_hosts=("litellm.example",),
                from_together=False,
            ),
            (
                "The api_key argument has none of the shapes of a Together key and was refused: compare"
                " it with the keys of litellm.example."
            ),
        ),
    ],
}
CAUSE_TABLE = [(*row, cause) for cause, rows in BY_CAUSE.items() for row in rows]


@pytest.mark.parametrize(("report", "refusal", "remedy", "cause"), CAUSE_TABLE)
def test_cause_and_remedy(report, refusal, remedy, cause):
    diagnosis = diagnose(report, refusal)
    assert (diagnosis.cause, diagnosis.remedy) == (cause, remedy)
    assert redact(remedy) == remedy, "it passes the doors as it is"


def test_the_table_has_every_cause():
    assert set(BY_CAUSE) == set(CAUSES)


PROBLEM_TABLE = [
    (f"{KEY} ", "has spaces around it: strip them where it is set."),
    (f"{KEY[:9]} {KEY[9:]}", "has white space inside: copy the key again in one piece."),
    # docker's --env-file keeps comments.
    (
        f"{KEY} # prod",
        "is too long for a Together key: copy the key again, without anything around it.",
    ),
    (f"{KEY}\n", "ends in a newline: strip it where the secret is mounted."),
    (f"{KEY[:9]}\n{KEY[9:]}", "contains a newline: put the key alone on one line where it is set."),
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
    (f"Bearer {KEY}", "starts with the word Bearer: leave it out, as the client adds it itself."),
    (f"{VARIABLE}={KEY}", "holds a whole NAME=value line: keep only the value."),
    (
        "${TOGETHER_API_KEY}",
        (
            "holds a reference that nothing expanded: let the shell, compose file or template that"
            " sets it fill in the value."
        ),
    ),
    (KEY[:-1], "is too short for a Together key: copy the whole key."),
    (KEY + "a", "is too long for a Together key: copy the key again, without anything around it."),
    (KEY * 2, "holds the key twice: paste it once."),
    (KEY.upper(), "has letters of the wrong case: copy the key again as it is displayed."),
    (
        base64.b64encode(KEY.encode()).decode() + "\n",
        "holds a key in base64: decode it where it is set.",
    ),
    (
        json.dumps({"api_key": KEY}, indent=2) + "\n",
        ("holds a JSON document, not a key: use only the value of the key inside it."),
    ),
    (
        "/run/secrets/together_api_key\n",
        ("holds a path or a reference to a key, not the key: use what is stored there."),
    ),
    (f"{KEY[:-1]}!", "has a character that no Together key has: copy the key again."),
    (
        KEY.encode(),
        (
            "is an object, not text: pass the text in it, by decode() of bytes or get_secret_value() of"
            " a SecretStr."
        ),
    ),
]


@pytest.mark.parametrize(("key", "sentence"), PROBLEM_TABLE)
def test_problem(key, sentence):
    diagnosis = diagnose(inspect_key(key, source="environment", environ={}), REFUSED)
    assert (diagnosis.cause, diagnosis.remedy) == ("malformed", f"TOGETHER_API_KEY {sentence}")
    assert diagnose(arg(key), REFUSED).remedy == f"The api_key argument {sentence}"


@pytest.mark.parametrize("name", [VARIABLE, "MY_SECRET", "\ufeffMY_SECRET"])
def test_the_variable_of_an_argument_is_named(name):
    """Most programs pass os.environ[…] on: what is wrong is to be put right there."""
    shown = name.replace("\ufeff", "\\ufeff")

    def remedy(key, refusal=REFUSED, **environ):
        return diagnose(arg(key, **{name: key}, **environ), refusal).remedy

    subject = f"{shown}, passed as the api_key argument,"
    assert (
        remedy(f"{KEY}\n") == f"{subject} ends in a newline: strip it where the secret is mounted."
    )
    assert remedy(OPENAI) == f"{subject} is a key of OpenAI: set it to a Together key from {PAGE}."
    assert remedy(KEY).startswith(f"{subject} is well formed, but Together refuses it")
    assert remedy("changeme", TOGETHER_KEY=KEY) == (
        "The api_key argument is a placeholder, but TOGETHER_KEY holds a key of Together's shape:"
        " drop the argument and rename the variable to TOGETHER_API_KEY."
    )
    if name != VARIABLE:
        assert remedy("changeme", TOGETHER_API_KEY=KEY) == (
            f"{subject} is a placeholder and hides the good key in TOGETHER_API_KEY: drop the"
            " argument, or pass it os.environ['TOGETHER_API_KEY']."
        )


def test_an_empty_variable_that_is_passed_is_named():
    assert diagnose(arg("", TOGETHER_API_KEY="", OTHER=""), REFUSED).remedy == (
        f"TOGETHER_API_KEY, passed as the api_key argument, is empty: set it to a key from {PAGE}."
    )
    assert diagnose(arg("", OTHER=""), REFUSED).remedy == (
        f"The api_key argument is empty: pass a key from {PAGE}."
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\ufeffTOGETHER_API_KEY", "\\ufeffTOGETHER_API_KEY"),
        ("TOGETHER_API_KEY ", "TOGETHER_API_KEY\\x20"),
        ("TOGETHER_API_KEY\u200b", "TOGETHER_API_KEY\\u200b"),
        ("T\u041eGETHER_API_KEY", "T\\u041eGETHER_API_KEY"),
    ],
)
def test_a_name_that_looks_right_is_shown_with_what_is_wrong(name, shown):
    """Nobody sees a byte-order mark or a space in a name, nor that a letter is Cyrillic."""
    report = env(**{name: KEY})
    assert (report.lookalike, report.variable) == (shown, shown)
    assert diagnose(report, CONSTRUCTOR).remedy == (
        f"TOGETHER_API_KEY is not set, but {shown}, whose name has a character that does not belong"
        " there, holds a key of Together's shape: rename it to TOGETHER_API_KEY, the variable that"
        " the SDK reads."
    )


OPENAI_READER = Reader("openai", "OpenAI", ("OPENAI_API_KEY",), ("OPENAI_BASE_URL",))
HTTPX = Reader("httpx", "httpx", given="header")
SEND = "send it in the Authorization header, after the word Bearer."
CHAT_TOGETHER = Reader("langchain", "ChatTogether", (VARIABLE, "OPENAI_API_KEY"))


def read_by(reader, key=None, **environ):
    return inspect_key(key, environ=environ, reader=reader)


@pytest.mark.parametrize(
    ("report", "cause", "remedy"),
    [
        (
            read_by(OPENAI_READER),
            "missing",
            (
                "No key was found, as OpenAI reads OPENAI_API_KEY; it is unset: set TOGETHER_API_KEY to a"
                f" key from {PAGE}, and pass it as api_key."
            ),
        ),
        (
            read_by(HTTPX),
            "missing",
            f"No key was found: set TOGETHER_API_KEY to a key from {PAGE}, and {SEND}",
        ),
        (
            inspect_key(source="none", environ={VARIABLE: KEY}, reader=HTTPX),
            "not_passed",
            f"No key was sent, although TOGETHER_API_KEY holds one: {SEND}",
        ),
        (
            inspect_key(source="none", environ={VARIABLE: KEY}),
            "not_passed",
            "No key was sent, although TOGETHER_API_KEY holds one: pass it as api_key.",
        ),
        (
            inspect_key("None", source="header", environ={"TOGETHER_KEY": KEY}, reader=HTTPX),
            "wrong_variable",
            (
                "The Authorization header is a placeholder, but TOGETHER_KEY holds a key of"
                f" Together's shape: {SEND}"
            ),
        ),
        (
            read_by(Reader("x", "X", ("ONE", VARIABLE, "OTHER"))),
            "missing",
            (
                f"No key was found, as X reads ONE, then {VARIABLE}, then OTHER; all of them are unset:"
                f" set {VARIABLE} to a key from {PAGE}, or pass api_key to the client."
            ),
        ),
        (
            read_by(OPENAI_READER, TOGETHER_API_KEY=KEY, TOGETHER_KEY=KEY),
            "wrong_variable",
            (
                "OpenAI reads OPENAI_API_KEY; it is unset, but TOGETHER_API_KEY holds a key of Together's"
                " shape: pass it as api_key."
            ),
        ),
        (
            read_by(OPENAI_READER, TOGETHER_KEY=KEY, OPENAI_API_KEY="changeme"),
            "wrong_variable",
            (
                "OpenAI reads OPENAI_API_KEY; OPENAI_API_KEY is a placeholder, but TOGETHER_KEY holds a"
                " key of Together's shape: pass it as api_key."
            ),
        ),
        (
            read_by(OPENAI_READER, "", TOGETHER_API_KEY=KEY),
            "wrong_variable",
            (
                "The api_key argument is empty, but TOGETHER_API_KEY holds a key of Together's shape: pass"
                " it as api_key, as OpenAI reads OPENAI_API_KEY."
            ),
        ),
        (
            read_by(OPENAI_READER, "", OPENAI_API_KEY=KEY),
            "not_passed",
            (
                "The api_key argument is empty and hides the good key in OPENAI_API_KEY: drop the"
                " argument, or pass it os.environ['OPENAI_API_KEY']."
            ),
        ),
        (
            read_by(OPENAI_READER, OPENAI_API_KEY=OPENAI),
            "wrong_provider",
            (
                "OPENAI_API_KEY is a key of OpenAI, and goes to Together because TOGETHER_API_KEY is"
                f" unset: set TOGETHER_API_KEY to a key from {PAGE} and pass it as api_key."
            ),
        ),
        (
            read_by(OPENAI_READER, OPENAI_API_KEY=OPENAI, TOGETHER_API_KEY=KEY),
            "wrong_provider",
            (
                "OPENAI_API_KEY is a key of OpenAI, while TOGETHER_API_KEY holds a key of Together's"
                " shape: pass that as api_key."
            ),
        ),
        (
            read_by(OPENAI_READER, OPENAI, OPENAI_API_KEY=OPENAI),
            "wrong_provider",
            (
                "OPENAI_API_KEY, passed as the api_key argument, is a key of OpenAI: pass a Together key"
                f" from {PAGE}."
            ),
        ),
        (
            read_by(CHAT_TOGETHER, TOGETHER_AI_TOKEN=KEY),
            "wrong_variable",
            (
                "ChatTogether reads TOGETHER_API_KEY, then OPENAI_API_KEY; both are unset, but"
                " TOGETHER_AI_TOKEN holds a key of Together's shape: rename it to TOGETHER_API_KEY."
            ),
        ),
        (
            read_by(CHAT_TOGETHER),
            "missing",
            (
                "No key was found, as ChatTogether reads TOGETHER_API_KEY, then OPENAI_API_KEY; both are"
                f" unset: set TOGETHER_API_KEY to a key from {PAGE}, or pass api_key to the client."
            ),
        ),
        (
            read_by(CHAT_TOGETHER, OPENAI_API_KEY=OPENAI),
            "wrong_provider",
            (
                "OPENAI_API_KEY is a key of OpenAI, and goes to Together because TOGETHER_API_KEY is"
                f" unset: set TOGETHER_API_KEY to a key from {PAGE}."
            ),
        ),
        (
            read_by(CHAT_TOGETHER, OPENAI_API_KEY=f"{KEY} "),
            "malformed",
            "OPENAI_API_KEY has spaces around it: strip them where it is set.",
        ),
        (
            read_by(CHAT_TOGETHER, "", OPENAI_API_KEY=KEY),
            "not_passed",
            (
                "The api_key argument is empty and hides the good key in OPENAI_API_KEY: drop the"
                " argument, or pass it os.environ['OPENAI_API_KEY']."
            ),
        ),
    ],
)
def test_remedies_name_the_variables_of_the_client(report, cause, remedy):
    """Those that it reads, in its order, and Together's own where that holds the key."""
    assert diagnose(report, REFUSED) == Diagnosis(cause, remedy)
    assert redact(remedy) == remedy


def test_other_places_of_another_client():
    """Base URL and headers, too, are those that the client reads."""
    report = inspect_key(KEY, environ={}, reader=OPENAI_READER)
    assert (
        "base_url and OPENAI_BASE_URL and any"
        in diagnose(report, Refusal("refused", **FOREIGN)).remedy
    )
    redirected = Refusal("refused", redirected_from="a", sent="nothing")
    assert "point base_url or OPENAI_BASE_URL at" in diagnose(report, redirected).remedy
    assert diagnose(report, Refusal("refused", sent="other")).remedy == (
        "The Authorization header that was sent does not hold the client's key: check"
        " default_headers, extra_headers, a user name and password in base_url, the HTTP client's"
        " auth, request hooks and transport, and any client class of your own."
    )
    assert sent_elsewhere(report, "api.openai.com") == Diagnosis(
        "wrong_endpoint",
        "The api_key argument has the shape of a Together key, and was sent to api.openai.com, which"
        " is not Together: set base_url or OPENAI_BASE_URL to https://api.together.xyz/v1, or name a"
        " gateway of yours in TOGETHER_OTEL_HOSTS.",
    )


def test_the_table_has_every_problem():
    assert {problem for key, _ in PROBLEM_TABLE for problem in arg(key).problems} == set(PROBLEMS)


def test_the_most_telling_problem_is_named():
    """Whoever pasted the whole line needs not hear of its quotes first."""
    remedy = diagnose(env(f'{VARIABLE}="Bearer {KEY[:-1]}"'), REFUSED).remedy
    assert remedy.startswith("TOGETHER_API_KEY holds a whole NAME=value line")


def made(**fields):
    """Return a report that no key gives: two causes fit it."""
    return KeyReport(**{"presence": "present", "source": "argument", "format": "tgp_v1", **fields})


LOST = {"code": "missing_api_key"}
PRECEDENCE = [
    ("redirected", "overridden", GOOD, Refusal("refused", "nothing", redirected_from="a")),
    ("redirected", "wrong_endpoint", GOOD, Refusal("refused", redirected_from="a", **FOREIGN)),
    ("overridden", "header_lost", GOOD, Refusal("refused", "other", **LOST)),
    ("overridden", "wrong_endpoint", GOOD, Refusal("refused", "other", **FOREIGN)),
    ("overridden", "wrong_variable", env(TOGETHER_KEY=KEY), Refusal("refused", "other")),
    ("overridden", "missing", env(), Refusal("refused", "nothing", "extra_headers")),
    ("header_lost", "wrong_endpoint", GOOD, Refusal("refused", **LOST, **FOREIGN)),
    ("header_lost", "revoked", GOOD, Refusal("refused", accepted_before=1.0, **LOST)),
    ("header_lost", "malformed", env("changeme"), Refusal("refused", **LOST)),
    ("wrong_endpoint", "revoked", GOOD, Refusal("refused", accepted_before=1.0, host_refused="api.together.ai", sign_in=True)),
    ("wrong_endpoint", "missing", env(), Refusal("refused", "nothing", **FOREIGN)),
    ("wrong_endpoint", "wrong_provider", env(OPENAI), Refusal("refused", **FOREIGN)),
    ("wrong_endpoint", "malformed", env(f"{KEY} "), Refusal("refused", **FOREIGN)),
    ("wrong_endpoint", "rejected", GOOD, Refusal("refused", **FOREIGN)),
    ("revoked", "not_passed", arg("changeme", TOGETHER_API_KEY=KEY), Refusal("refused", accepted_before=1.0)),
    ("revoked", "wrong_provider", env(OPENAI), Refusal("refused", accepted_before=1.0, **FOREIGN)),
    ("revoked", "malformed", env(f"{KEY} "), Refusal("refused", accepted_before=1.0)),
    (
        "wrong_variable",
        "not_passed",
        made(presence="empty", lookalike="TOGETHER_KEY", shadows=VARIABLE),
        REFUSED,
    ),
    ("not_passed", "missing", made(presence="missing", shadows=VARIABLE), REFUSED),
    ("not_passed", "empty", arg("", TOGETHER_API_KEY=KEY, TOGETHER_KEY=LEGACY), REFUSED),
    ("missing", "wrong_provider", made(presence="missing", format="other_provider"), REFUSED),
    ("empty", "wrong_provider", made(presence="empty", format="other_provider"), REFUSED),
    ("wrong_provider", "malformed", env(f"{OPENAI}\n"), UNSENDABLE),
    ("rejected", "unknown", GOOD, REFUSED),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "report", "refusal"), PRECEDENCE)
def test_the_first_cause_that_fits_wins(first, second, report, refusal):
    assert CAUSES.index(first) < CAUSES.index(second)
    assert diagnose(report, refusal).cause == first


@pytest.mark.parametrize(("key", "cause"), [(None, "missing"), ("", "empty")])
def test_nothing_sent_for_want_of_a_key(key, cause):
    """Where there was no key, no header is no sign that one was removed."""
    report = inspect_key(key, source="argument", environ={})
    assert diagnose(report, Refusal("refused", sent="nothing")).cause == cause


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal("refused", host_refused="api.together.ai", from_together=False),
        Refusal("refused", host_refused="proxy.example", from_together=True),
        Refusal("refused", host_refused="proxy.example", from_together=True, sign_in=True),
        Refusal(
            "refused", extra_hosts=("gw.example",), **{**FOREIGN, "host_refused": "gw.example"}
        ),
        Refusal("refused", from_together=False, sign_in=True),
        Refusal("refused", code="invalid_api_key"),
    ],
)
def test_no_wrong_endpoint(refusal):
    """Together's own host, an answer of Together's, a gateway's host, or none that is known."""
    assert diagnose(GOOD, refusal).cause == "rejected"


@pytest.mark.parametrize(
    ("since", "what"), [(None, "the keys of gw.example"), (1.0, "for gw.example")]
)
def test_a_key_of_a_gateway_is_looked_for_there(since, what):
    """Not on Together's page, where nobody made it."""
    evidence = {**FOREIGN, "host_refused": "gw.example", "extra_hosts": ("gw.example",)}
    for key in (KEY, "opaque.token/012"):
        remedy = diagnose(env(key), refused(accepted_before=since, **evidence)).remedy
        assert what in remedy
        assert PAGE not in remedy
    assert "gw.example refuses it" in diagnose(env(KEY), refused(**evidence)).remedy


@pytest.mark.parametrize("kind", ["constructor", "unsendable"])
def test_what_reached_no_server_tells_of_none(kind):
    """Nobody refused, so neither who did nor what was accepted before is evidence."""
    report = env(f"{KEY}\n")
    refusal = Refusal(kind, accepted_before=1.0, **LOST, **FOREIGN)
    assert diagnose(report, refusal).cause == "malformed"


@pytest.mark.parametrize("key", ["", " \n"])
def test_an_empty_key_is_not_lost_on_the_way(key):
    assert diagnose(env(key), Refusal("refused", **LOST)).cause == "empty"


@pytest.mark.parametrize("key", [KEY, "opaque.token/012"])
def test_a_key_that_may_work_is_no_shadow(key):
    report = made(format=inspect_key(key).format, shadows=VARIABLE)
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
    shadows=st.sampled_from([None, VARIABLE]),
)
REFUSALS = st.builds(
    Refusal,
    kind=st.sampled_from(["constructor", "unsendable", "refused"]),
    sent=st.sampled_from(["key", "other", "nothing"]),
    override=st.sampled_from([None, *OVERRIDES, "extra_headers", "default_headers"]),
    redirected_from=st.none() | HOSTS,
    host_refused=st.none() | HOSTS,
    code=st.sampled_from([None, "invalid_api_key", "missing_api_key"]),
    from_together=st.booleans(),
    sign_in=st.booleans(),
    accepted_before=st.none() | st.floats(0, 4e9),
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(REPORTS, REFUSALS)
def test_any_report_and_refusal_gives_a_cause_and_one_sentence(report, refusal):
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
def test_faults(key, expected):
    """Each problem has its phrase; a newline is at the end where nothing else can follow it."""
    assert faults(arg(key)) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("", ("is empty",)),
        (f'"{OPENAI}"', ("is a key of OpenAI",)),
        ("changeme", ("is a placeholder",)),
        (f"{KEY[:-1]}!", ("has a character that no Together key has",)),
        (f"{KEY}\n", ("ends in a newline",)),
    ],
)
def test_flaws(key, expected):
    """What is most wrong with a key that cannot work: its problems only where it may be one."""
    assert flaws(arg(key)) == expected


@pytest.mark.parametrize("code", [None, "missing_api_key"])
def test_a_header_without_a_scheme(code):
    """Neither lost nor revoked: the server could not tell that it is a key."""
    refusal = Refusal("refused", code=code, has_scheme=False, accepted_before=1.0)
    found = diagnose(arg(KEY), refusal)
    assert found.cause == "malformed"
    assert "put the word Bearer" in found.remedy
