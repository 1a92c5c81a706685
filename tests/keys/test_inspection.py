"""A key → what can be known of it."""

import base64
import copy
import dataclasses
import json
import os
import pickle
from collections.abc import Mapping
from enum import Enum
from hashlib import blake2b

import pytest
from frames import outwards

from together_otel.keys import KeyReport, Reader, identity_of, inspect_key
from together_otel.names import FORMATS, PRESENCES, PROBLEMS, SOURCES
from together_otel.settings import Settings

KEY = "tgp_" + "v1_" + "a1B2" * 10 + "xyz"
LEGACY = "0123456789abcdef" * 4
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxIn0" + ".c2lnbmF0dXJl"
OPENAI = "sk" + "-proj-" + "Q7w" * 10
WELL = ()
OPENAI_READER = Reader("openai", "OpenAI", ("OPENAI_API_KEY",))


def b64(text):
    return base64.b64encode(text.encode()).decode()


# The key; its format; its problems in the contract's order.
TABLE = [
    (KEY, "tgp_v1", WELL),
    (KEY[:-1] + "-", "tgp_v1", WELL),
    (LEGACY, "legacy_hex", WELL),
    # white space and newlines
    (f"{KEY} ", "damaged", ("surrounding_whitespace",)),
    (f" {KEY}", "damaged", ("surrounding_whitespace",)),
    (f"{KEY}\t", "damaged", ("surrounding_whitespace",)),
    (f"{KEY}\u00a0", "damaged", ("surrounding_whitespace",)),
    (f"{KEY}\n", "damaged", ("newline",)),
    (f"{KEY}\r\n", "damaged", ("newline",)),
    (f"{KEY}\r", "damaged", ("newline",)),
    (f"{KEY[:-1]}X\n", "damaged", ("newline",)),
    (f"{LEGACY}\n", "damaged", ("newline",)),
    (f"{KEY} \n", "damaged", ("surrounding_whitespace", "newline")),
    (f"\n{KEY}", "damaged", ("surrounding_whitespace", "newline")),
    (f"{KEY[:20]} {KEY[20:]}", "damaged", ("inner_whitespace",)),
    (f"{KEY[:20]}\t{KEY[20:]}", "damaged", ("inner_whitespace",)),
    (f"{KEY[:20]}\n{KEY[20:]}", "damaged", ("inner_whitespace", "newline")),
    # characters that do not belong
    (f"{KEY[:20]}\0{KEY[20:]}", "damaged", ("control_character",)),
    (f"{KEY}\x1b", "damaged", ("control_character",)),
    (f"{KEY[:-1]}é", "damaged", ("non_ascii",)),
    (f"{KEY[:-1]}\u0430", "damaged", ("non_ascii",)),
    (f"{KEY}\u200b", "damaged", ("invisible_character",)),
    (f"\ufeff{KEY}", "damaged", ("invisible_character",)),
    (f"{KEY[:20]}\u00ad{KEY[20:]}", "damaged", ("invisible_character",)),
    (f"{KEY[:-1]}\ud800", "damaged", ("non_ascii",)),
    # quotes
    (f'"{KEY}"', "damaged", ("quoted",)),
    (f"'{KEY}'", "damaged", ("quoted",)),
    (f"`{KEY}`", "damaged", ("quoted",)),
    (f"\u201c{KEY}\u201d", "damaged", ("quoted",)),
    (f'"{KEY}', "damaged", ("quoted",)),
    (f'{KEY}"', "damaged", ("quoted",)),
    (f"b'{KEY}'", "damaged", ("quoted",)),
    (f'b"{KEY}"', "damaged", ("quoted",)),
    (f"{KEY[:-1]}g", "tgp_v1", WELL),  # begins and ends as bytes do, but for the quotes
    ("'" * 5 + KEY, "damaged", ("quoted", "too_long")),  # deeper than wrappings are followed
    (f'" {KEY}"', "damaged", ("surrounding_whitespace", "quoted")),
    (f'"{KEY}\n"', "damaged", ("newline", "quoted")),
    # pasted with what stood around it
    (f"Bearer {KEY}", "damaged", ("bearer_prefix",)),
    (f"bearer: {KEY}", "damaged", ("bearer_prefix",)),
    (f"TOGETHER_API_KEY={KEY}", "damaged", ("assignment",)),
    (f"export TOGETHER_API_KEY={KEY}", "damaged", ("assignment",)),
    (f"set TOGETHER_API_KEY={KEY}", "damaged", ("assignment",)),
    (f"TOGETHER_API_KEY = {KEY}", "damaged", ("assignment",)),
    (f'TOGETHER_API_KEY="{KEY}"', "damaged", ("quoted", "assignment")),
    (f"together_api_key: {KEY}", "damaged", ("assignment",)),
    (f'"api_key": "{KEY}"', "damaged", ("quoted", "assignment")),
    (f"K={KEY}", "damaged", ("assignment",)),
    (f"x-secret: {LEGACY}", "damaged", ("assignment",)),
    (f"Authorization: Bearer {KEY}", "damaged", ("bearer_prefix", "assignment")),
    (
        f"TOGETHER_API_KEY='Bearer {KEY}'\n",
        "damaged",
        ("newline", "quoted", "bearer_prefix", "assignment"),
    ),
    ("TOGETHER_API_KEY=opaque.token/012", "unrecognized", ("assignment",)),
    ("TOGETHER_API_KEY=", "placeholder", WELL),
    ('""', "placeholder", ("quoted",)),
    # length, case, twice
    (KEY[:-1], "damaged", ("too_short",)),
    (KEY[:7], "damaged", ("too_short",)),
    (KEY[1:], "damaged", ("too_short",)),
    (KEY + "a", "damaged", ("too_long",)),
    (f"my{KEY}", "damaged", ("too_long",)),
    (f"my{KEY}{KEY[:7]}", "damaged", ("too_long",)),
    (f"<{KEY}>", "damaged", ("too_long",)),
    (KEY * 2, "damaged", ("doubled",)),
    (LEGACY * 2, "damaged", ("doubled",)),
    (f"{KEY}\n{KEY}\n", "damaged", ("inner_whitespace", "newline", "doubled")),
    (KEY.upper(), "damaged", ("case_changed",)),
    (KEY.upper()[:-1], "damaged", ("too_short", "case_changed")),
    (LEGACY.upper(), "damaged", ("case_changed",)),
    (LEGACY[:-1], "damaged", ("too_short",)),
    (LEGACY[:-8], "damaged", ("too_short",)),
    (LEGACY + "0", "damaged", ("too_long",)),
    ("y" * 4096, "unrecognized", ()),
    ("y" * 4097, "unrecognized", ("too_long",)),  # a whole file
    (LEGACY[:-9], "unrecognized", WELL),
    ("01" * 31, "damaged", ("too_short",)),
    ("opq." * 12 + "1", "unrecognized", WELL),
    (f"{KEY[1:7]}a1B2", "unrecognized", WELL),
    ("a" * 64, "unrecognized", WELL),
    # references and placeholders
    ("${TOGETHER_API_KEY}", "placeholder", ("unexpanded_reference",)),
    ("$TOGETHER_API_KEY", "placeholder", ("unexpanded_reference",)),
    ("$(cat key)", "placeholder", ("unexpanded_reference",)),
    ("{{ key }}", "placeholder", ("unexpanded_reference",)),
    ("${{ secrets.TOGETHER_API_KEY }}", "placeholder", ("unexpanded_reference",)),
    ('"${TOGETHER_API_KEY}"', "placeholder", ("quoted", "unexpanded_reference")),
    ("TOGETHER_API_KEY=$X", "placeholder", ("assignment", "unexpanded_reference")),
    ("Bearer ${X}", "placeholder", ("bearer_prefix", "unexpanded_reference")),
    ("your_api_key", "placeholder", WELL),
    ("your api key here", "placeholder", WELL),
    ("changeme\n", "placeholder", ("newline",)),
    ("…", "placeholder", ("non_ascii",)),
    (f"{LEGACY[:4]}{'*' * 56}{LEGACY[-4:]}", "placeholder", WELL),  # as a page masks a key
    (f"{KEY[:12]}...{KEY[-4:]}", "placeholder", WELL),
    ("0" * 40, "placeholder", WELL),
    ("None", "placeholder", WELL),
    # other providers'
    (OPENAI, "other_provider", WELL),
    (f'"{OPENAI}"', "other_provider", ("quoted",)),
    (f"OPENAI_API_KEY={OPENAI}", "other_provider", ("assignment",)),
    # shapes nobody knows may be right
    (JWT, "unrecognized", WELL),
    ("opaque.token/0123456789", "unrecognized", WELL),
    ("dGhpcyBpcyBvcGFxdWU=", "unrecognized", WELL),
    ("dGhpcyBpcyBvcGFxdQ==", "unrecognized", WELL),
    ("a:b=c", "unrecognized", WELL),
    ("user:Xk29dkw92", "unrecognized", WELL),
    # the key's surroundings instead of the key
    ("https://example.com/Xk29", "placeholder", ("file_path",)),
    ("/run/secrets/together_api_key\n", "placeholder", ("newline", "file_path")),
    ('"vault:secret/data/together#key"', "placeholder", ("quoted", "file_path")),
    ("encrypted:BDqDBibm4wsYqMpCjTQ6BsDHmMadg9K3", "placeholder", ("file_path",)),  # dotenvx's
    ("TOGETHER_API_KEY=op://vault/together", "placeholder", ("assignment", "file_path")),
    ("@/run/secrets/together", "placeholder", ("file_path",)),
    ("kv/data/together#value", "placeholder", ("file_path",)),
    ("api.together.xyz/v1", "placeholder", ("file_path",)),
    ("doppler:prd", "placeholder", ("file_path",)),
    ("secretref:together-key", "placeholder", ("file_path",)),
    ("TOGETHER_API_KEY_FILE", "placeholder", WELL),
    ("SecretStr('**********')", "placeholder", WELL),
    (f"{{api_key: {KEY}}}", "damaged", ("json_document",)),
    (f"secret:{KEY}", "damaged", ("assignment",)),
    (json.dumps({"TOGETHER_API_KEY": KEY}), "damaged", ("json_document",)),
    (json.dumps({"a": [1], "api_key": LEGACY}, indent=2) + "\n", "damaged", ("json_document",)),
    (json.dumps([OPENAI]), "unrecognized", ("json_document",)),
    (f"'{json.dumps({'k': 'opaque'})}'", "unrecognized", ("quoted", "json_document")),
    # encoded once too often
    (b64(KEY), "damaged", ("base64_encoded",)),
    (b64(KEY).rstrip("="), "damaged", ("base64_encoded",)),
    (b64(KEY + "\n") + "\n", "damaged", ("newline", "base64_encoded")),
    (b64(b64(LEGACY)), "damaged", ("base64_encoded",)),
    (b64(f"TOGETHER_API_KEY={KEY}"), "damaged", ("base64_encoded",)),
    (b64(KEY[:-1]), "damaged", ("base64_encoded",)),
    (base64.urlsafe_b64encode(b"Bearer \xbf?>" + KEY.encode()).decode(), "unrecognized", WELL),
    (b64(OPENAI), "other_provider", ("base64_encoded",)),
    (b64(f"{KEY[:-1]}é"), "damaged", ("base64_encoded",)),
    *(
        (encode(f"{KEY[:8]}{end}{KEY[9:]}".encode()).decode(), "damaged", ("base64_encoded",))
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
        for end in "?>"
    ),
    (b64("an opaque token, that is all"), "unrecognized", WELL),
    (b64(KEY)[:-2] + "A", "damaged", ("base64_encoded",)),
    ("~!@#%^&*()+|}:?", "unrecognized", WELL),
    ("0191d2c4-7b1c-7f0e-9a3e-5d2c8f6b1a07", "unrecognized", WELL),
    ("k-29", "unrecognized", WELL),
    ("opaque.tok\nen/01", "unrecognized", ("inner_whitespace", "newline")),
]


@pytest.mark.parametrize(("key", "key_format", "problems"), TABLE)
def test_format_and_problems(key, key_format, problems):
    report = inspect_key(key, environ={})
    assert (report.presence, report.source) == ("present", "argument")
    assert (report.format, report.problems) == (key_format, problems)
    assert report.length == len(key)
    assert (report.provider is None) is (key_format != "other_provider")
    assert report.well_formed is (key_format in ("tgp_v1", "legacy_hex"))
    good = key_format in ("tgp_v1", "legacy_hex", "unrecognized") and not problems
    assert report.usable is good


def test_the_table_has_every_format_and_problem():
    assert {row[1] for row in TABLE} == set(FORMATS) - {"none"}
    assert {problem for row in TABLE for problem in row[2]} == set(PROBLEMS) - {"not_text"}


def found(key=None, **options):
    report = inspect_key(key, **options)
    return report.presence, report.source, report.format, report.length, report.variable


VARIABLE = "TOGETHER_API_KEY"
PLACES = [
    (None, None, {}, "missing", "none", "none", None, None),
    (None, None, {VARIABLE: KEY}, "present", "environment", "tgp_v1", 50, VARIABLE),
    (None, None, {VARIABLE: ""}, "empty", "environment", "none", 0, VARIABLE),
    (None, None, {VARIABLE: " \t\n"}, "empty", "environment", "none", 3, VARIABLE),
    (KEY, None, {VARIABLE: LEGACY}, "present", "argument", "tgp_v1", 50, None),
    ("", None, {}, "empty", "argument", "none", 0, None),
    ("\u00a0", None, {}, "empty", "argument", "none", 1, None),
    (None, "argument", {VARIABLE: KEY}, "missing", "argument", "none", None, None),
    (None, "argument", {}, "missing", "argument", "none", None, None),
    (None, "environment", {}, "missing", "environment", "none", None, VARIABLE),
    (LEGACY, "environment", {}, "present", "environment", "legacy_hex", 64, VARIABLE),
    (KEY, "colab", {}, "present", "colab", "tgp_v1", 50, None),
    (None, "colab", {}, "missing", "colab", "none", None, None),
    (KEY, "header", {}, "present", "header", "tgp_v1", 50, None),
    ("", "header", {VARIABLE: ""}, "empty", "header", "none", 0, None),
    (None, "none", {}, "missing", "none", "none", None, None),
]


@pytest.mark.parametrize("place", PLACES)
def test_presence_and_source(place):
    key, source, environ, *expected = place
    assert found(key, source=source, environ=environ) == tuple(expected)


def test_the_places_have_every_presence_and_source():
    assert {place[3] for place in PLACES} == set(PRESENCES)
    assert {place[4] for place in PLACES} == set(SOURCES)


def test_the_process_environment_is_the_default(monkeypatch):
    assert found()[0] == "missing"
    monkeypatch.setenv(VARIABLE, KEY)
    assert found() == ("present", "environment", "tgp_v1", 50, VARIABLE)


@pytest.mark.parametrize(
    "name",
    [
        "TOGETHERAI_API_KEY",
        "TOGETHER_AI_API_KEY",
        "TOGETHER_AI_TOKEN",
        "TOGETHER_AI_KEY",
        "TOGETHER_TOKEN",
        "TOGETHER_KEY",
        "TOGETHER_SECRET",
        "TOGETHERAI_KEY",
        "OPENAI_API_KEY",
        "NEXT_PUBLIC_TOGETHER_AI_API_KEY",
        "TOGETER_API_KEY",
        "TOGEHTER_API_KEY",
        "TOGETHER_APIKEY",
        "together_api_key",
        "TOGETHER_API_KEYS",
    ],
)
@pytest.mark.parametrize("key", [None, "", "your_api_key", "${TOGETHER_API_KEY}"])
def test_lookalike(name, key):
    """Looked for when there is no usable key; what it holds must have Together's shape."""
    report = inspect_key(key, environ={name: f"{KEY}\n", "PATH": KEY})
    assert (report.lookalike, report.variable) == (name, name)
    assert inspect_key(key, environ={name: "opaque.token"}).lookalike is None
    assert inspect_key(key, environ={name: OPENAI}).lookalike is None


@pytest.mark.parametrize("key", [KEY, KEY[:-1], OPENAI, JWT])
def test_no_lookalike_beside_a_key(key):
    assert inspect_key(key, environ={"TOGETHER_KEY": LEGACY}).lookalike is None


@pytest.mark.parametrize("name", ["TOGTR_API_KEY", "ANTHROPIC_API_KEY", "DATABASE_KEY"])
def test_other_variables_hold_no_old_key(name):
    """It has the shape of any digest; that of a new one is Together's alone."""
    assert inspect_key(environ={name: LEGACY}).lookalike is None
    assert inspect_key(environ={name: KEY}).lookalike == name
    assert inspect_key(environ={name: KEY, "TOGETHER_KEY": KEY}).lookalike == "TOGETHER_KEY"


@pytest.mark.parametrize("key", ["", " ", "your_api_key"])
def test_no_lookalike_beside_a_good_variable(key):
    """The key was not passed: to rename another variable would replace a good one."""
    report = inspect_key(key, environ={"TOGETHER_API_KEY": KEY, "TOGETHER_KEY": LEGACY})
    assert report.lookalike is None
    assert report.shadows


def test_the_most_telling_lookalike_is_named():
    """A misspelling first, then those that are known, and OpenAI's last."""
    environ = dict.fromkeys(("OPENAI_API_KEY", "TOGETHER_KEY", "TOGETHERAI_API_KEY"), KEY)
    assert inspect_key(environ=environ).lookalike == "TOGETHERAI_API_KEY"
    environ["TOGETER_API_KEY"] = KEY
    assert inspect_key(environ=environ).lookalike == "TOGETER_API_KEY"
    environ["TOGEHTER_API_KEY"] = KEY
    assert inspect_key(environ=environ).lookalike == "TOGEHTER_API_KEY"


@pytest.mark.parametrize("key", ["", " ", "changeme", f"{KEY}\n", KEY[:-1], OPENAI])
def test_shadows_a_good_key(key):
    assert inspect_key(key, environ={VARIABLE: KEY}).shadows
    assert not inspect_key(key, environ={VARIABLE: "changeme"}).shadows
    assert not inspect_key(key, environ={}).shadows
    assert not inspect_key(key, source="environment", environ={VARIABLE: KEY}).shadows


@pytest.mark.parametrize("key", [KEY, LEGACY, JWT, None])
def test_what_may_work_shadows_nothing(key):
    assert not inspect_key(key, environ={VARIABLE: KEY}).shadows
    assert not inspect_key(None, source="argument", environ={VARIABLE: KEY}).shadows


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_nothing_is_told_of_togethers_variable_where_no_other_holds_the_key(source):
    assert inspect_key(OPENAI, source=source, environ={}).own_variable is None
    assert inspect_key(KEY, environ={"OTHER": KEY}).own_variable is None


def test_togethers_own_variable_is_empty_beside_another_providers_key():
    environ = {"OPENAI_API_KEY": OPENAI, VARIABLE: " "}
    assert inspect_key(environ=environ, reader=OPENAI_READER).own_variable == "empty"


def test_the_clients_own_variable_is_no_lookalike():
    assert inspect_key("", environ={VARIABLE: f"{KEY}\n"}).lookalike is None


# ── fingerprint and identity ─────────────────────────────────────────────────────────


def test_fingerprint_is_stable():
    """It joins telemetry of many processes and releases, so it may never change."""
    assert inspect_key(KEY).fingerprint == "5e2e46e0"


def test_fingerprint_is_of_the_stripped_key():
    assert inspect_key(f" {KEY}\n").fingerprint == inspect_key(KEY).fingerprint
    assert inspect_key(KEY[:-1] + "a").fingerprint != inspect_key(KEY).fingerprint


def test_fingerprint_is_domain_separated():
    plain = blake2b(KEY.encode(), digest_size=4).hexdigest()
    long = blake2b(KEY.encode()).hexdigest()
    assert inspect_key(KEY).fingerprint not in (plain, long[:8])


def test_fingerprint_only_of_what_cannot_be_searched():
    assert inspect_key("k-" + "Z" * 17).fingerprint is None
    assert inspect_key("k-" + "Z" * 17 + "  ").fingerprint is None
    assert len(inspect_key("k-" + "Z" * 18).fingerprint or "") == 8
    assert inspect_key("").fingerprint is None
    assert inspect_key(environ={}).fingerprint is None
    login = base64.b64encode(b"admin:password").decode()
    assert inspect_key(f"Basic {login}", source="header").fingerprint is None


def test_fingerprint_can_be_switched_off():
    report = inspect_key(KEY, fingerprint=False)
    assert report.fingerprint is None
    assert report == dataclasses.replace(inspect_key(KEY), fingerprint=None)


def test_identity():
    assert identity_of(KEY) == identity_of(f"{KEY}\n") == inspect_key(KEY).identity
    assert identity_of(KEY) != identity_of(LEGACY)
    assert len(identity_of("\ud800")) == 16
    assert inspect_key(environ={}).identity == b""
    assert inspect_key("").identity == identity_of("")
    assert identity_of(KEY) != blake2b(KEY.encode(), digest_size=16).digest()


# ── the report ───────────────────────────────────────────────────────────────────────

KEYS = [KEY, LEGACY, f"{KEY}\n", f"Bearer {KEY}", OPENAI, JWT, KEY * 2]


@pytest.mark.parametrize("key", KEYS)
def test_report_does_not_tell_the_key(key):
    """Neither its repr, nor an attribute, nor its pickle holds a stretch of the key."""
    report = inspect_key(key)
    attributes = [repr(getattr(report, name)) for name in dir(report) if not name.startswith("__")]
    told = "".join([repr(report), str(report), *attributes])
    pickled = pickle.dumps(report)
    secret = key.strip().replace("tgp_v1_", "")
    for place in range(len(secret) - 7):
        assert secret[place : place + 8] not in told
        assert secret[place : place + 8].encode() not in pickled
    assert "identity" not in repr(report)


def test_report_is_immutable_and_hashable():
    report = inspect_key(KEY)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.format = "damaged"  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        report.key = KEY  # type: ignore[attr-defined]
    assert not hasattr(report, "__dict__")
    assert {report, inspect_key(KEY)} == {report}
    assert report != inspect_key(LEGACY)


@pytest.mark.parametrize("key", [*KEYS, "", None])
def test_report_can_be_copied(key):
    report = inspect_key(key, environ={})
    for copied in (copy.copy(report), copy.deepcopy(report), pickle.loads(pickle.dumps(report))):  # noqa: S301 - our own pickle
        assert copied == report
        assert type(copied) is KeyReport


# ── what is no string ────────────────────────────────────────────────────────────────


class Text:
    def __init__(self, text=KEY):
        self._text = text

    def __str__(self):
        return self._text


class Called(Text):
    def __call__(self):
        return self._text


class Member(str, Enum):
    KEY = "opaque.token/0123456789"

    def __str__(self):
        return f"{type(self).__name__}.{self.name}"

    __format__ = object.__format__


class Broken:
    def __str__(self):
        raise RuntimeError(KEY)


class Unreadable:
    def __str__(self):
        return 1  # type: ignore[return-value]  # noqa: PLE0307 - what is tested


@pytest.mark.parametrize(
    ("key", "key_format", "problems", "length"),
    [
        (Text(), "tgp_v1", (), 50),
        (Text(KEY[:-1]), "damaged", ("too_short",), 49),
        (Text("opaque.token/012"), "unrecognized", (), 16),
        (Called(), "damaged", ("not_text",), 50),
        (KEY.encode(), "damaged", ("not_text",), 53),
        (b"", "unrecognized", ("not_text",), 3),
        (12345, "placeholder", ("not_text",), 5),
        (True, "placeholder", ("not_text",), 4),
        (3.25, "unrecognized", ("not_text",), 4),
        ((KEY,), "damaged", ("not_text",), 55),
        ({"TOGETHER_API_KEY": LEGACY}, "damaged", ("not_text",), 88),
        (lambda: KEY, "unrecognized", ("not_text",), None),
        (Text, "placeholder", ("not_text",), None),
        (object(), "placeholder", ("not_text",), None),
        (Text("*" * 10), "placeholder", ("not_text",), 10),
        (Member.KEY, "unrecognized", ("not_text",), 10),
        (Broken(), "unrecognized", ("not_text",), 6),
        (Unreadable(), "unrecognized", ("not_text",), 10),
    ],
    ids=[
        "text",
        "damaged text",
        "opaque text",
        "called",
        "bytes",
        "no bytes",
        "int",
        "bool",
        "float",
        "tuple",
        "dict",
        "function",
        "class",
        "object",
        "secret",
        "member",
        "raises",
        "not text",
    ],
)
def test_what_is_no_string(key, key_format, problems, length):
    """It is taken as the SDK takes it: as what it turns into, and never raises."""
    report = inspect_key(key, environ={})
    assert (report.fingerprint is None) is ("not_text" in problems or (length or 99) < 20)
    assert report.presence == "present"
    assert (report.format, report.problems) == (key_format, problems)
    assert length in (None, report.length)


class Watching:
    """Looks round when it is asked for its text, as one would that logs."""

    def __str__(self):
        seen.extend(shown for _, shown in outwards())
        return "looked.round"


seen = []


def test_no_frame_holds_a_key_while_an_object_is_asked(monkeypatch):
    """The variable's own key, that is: the object is the application's."""
    monkeypatch.setenv(VARIABLE, KEY)
    seen.clear()
    assert inspect_key(Watching()).format == "unrecognized"
    assert len(seen) >= 2
    assert KEY[7:15] not in "".join(seen)


# ── the variable of an argument ──────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "environ", "variable"),
    [
        (KEY, {VARIABLE: KEY}, VARIABLE),
        (f"{KEY}\n", {VARIABLE: f"{KEY}\n"}, VARIABLE),
        (KEY, {VARIABLE: f"{KEY}\n"}, None),
        (KEY, {"WHATEVER": KEY}, "WHATEVER"),
        (KEY, {"WHATEVER": KEY, "OPENAI_API_KEY": KEY, VARIABLE: KEY}, VARIABLE),
        (KEY, {"WHATEVER": KEY, "OPENAI_API_KEY": KEY}, "OPENAI_API_KEY"),
        (KEY, {"TOGETHER_KEY": KEY, "TOGETER_API_KEY": KEY}, "TOGETER_API_KEY"),
        (KEY, {"B": KEY, "A": KEY}, "A"),
        (KEY, {"A": KEY, "OPENAI_API_KEY": KEY}, "OPENAI_API_KEY"),
        (KEY, {"A\u200b": KEY}, "A\\u200b"),
        ("short-one", {"MY_TOKEN": "short-one"}, "MY_TOKEN"),
        ("short-one", {"SHLVL": "short-one"}, None),
        ("opaque.token/0123456", {"SHLVL": "opaque.token/0123456"}, "SHLVL"),
        ("changeme", {"TOGETER_API_KY": "changeme"}, "TOGETER_API_KY"),
        ("", {VARIABLE: ""}, VARIABLE),
        ("", {"MY_TOKEN": ""}, None),
        (KEY, {}, None),
    ],
)
def test_variable_of_an_argument(key, environ, variable):
    assert inspect_key(key, environ=environ).variable == variable
    assert inspect_key(key, environ=environ).source == "argument"
    assert inspect_key(key, source="header", environ=environ).variable is None


def test_another_variable_that_a_client_reads():
    environ = {"OPENAI_API_KEY": KEY, VARIABLE: LEGACY}
    report = inspect_key(environ=environ, reader=OPENAI_READER)
    assert (report.source, report.variable, report.format) == (
        "environment",
        "OPENAI_API_KEY",
        "tgp_v1",
    )
    assert inspect_key("", environ=environ, reader=OPENAI_READER).shadows
    both = Reader("langchain", "ChatTogether", (VARIABLE, "OPENAI_API_KEY"))
    environ = {"TOGETHER_KEY": KEY, "OPENAI_API_KEY": KEY}
    assert inspect_key(KEY, environ=environ, reader=both).variable == "OPENAI_API_KEY"
    report = inspect_key(environ={VARIABLE: LEGACY, "TOGETER_API_KEY": KEY}, reader=OPENAI_READER)
    assert (report.presence, report.lookalike) == ("missing", VARIABLE)


def test_white_space_makes_another_text_of_the_same_key():
    one, other = inspect_key(KEY), inspect_key(f" {KEY}")
    assert one.identity == other.identity
    assert one.text_identity != other.text_identity
    assert one.text_identity == inspect_key(KEY, source="header").text_identity
    assert inspect_key(environ={}).text_identity == b""
    assert inspect_key("").text_identity not in (b"", inspect_key(" ").text_identity)
    assert "text_identity" not in repr(one)


class Shrinking(Mapping):
    """An environment of which another thread unsets a variable while it is gone through."""

    def __init__(self, **values):
        self._values = values

    def __getitem__(self, name):
        return self._values[name]

    def __iter__(self):
        return iter(["GONE", *self._values])

    def __len__(self):
        return len(self._values)


@pytest.mark.parametrize("key", [None, "", "your-key", "Zq9" * 10])
def test_a_variable_that_another_thread_unsets(key):
    """The process's own environment raises then, where it is gone through as a mapping."""
    report = inspect_key(key, source="argument", environ=Shrinking(TOGETHER_AI_KEY=KEY))
    assert report.lookalike == (None if report.usable else "TOGETHER_AI_KEY")


def test_settings_while_a_variable_is_unset(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", Shrinking(TOGETHER_OTEL_METRICS="none"))
        found = Settings.from_keywords({})
    assert found.metrics == "none"
