"""Keys that nobody named beforehand, told by the words around them; and texts that try time."""

from __future__ import annotations

import sys
import time
import types

import pytest

from together_otel.keys import public_name, redact
from together_otel.keys.redaction import LONGEST, LONGEST_SECRET

OPAQUE = "Qz41opaqueToken77"
TOGETHERS = "tgp_" + "v1_" + "a1B2" * 10 + "xyz"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # quoted values, whole
        (f"{{'Authorization': 'Bearer \"{OPAQUE}\"'}}", "{'Authorization': 'Bearer [key]'}"),
        (f"{{'Authorization': \"Bearer '{OPAQUE}'\"}}", "{'Authorization': \"Bearer [key]\"}"),
        (f"{{'Authorization': 'Bearer Qz41 {OPAQUE}'}}", "{'Authorization': 'Bearer [key]'}"),
        (f'{{"Authorization": "Bearer Qz\\"{OPAQUE}"}}', '{"Authorization": "Bearer [key]"}'),
        (f'"{{\\"Authorization\\": \\"{OPAQUE}\\"}}"', '"{\\"Authorization\\": \\"[key]\\"}"'),
        (f"[('authorization', '{OPAQUE}')]", "[('authorization', '[key]')]"),
        (f"[(b'authorization', b'{OPAQUE}')]", "[(b'authorization', b'[key]')]"),
        (f'Client(api_key="it\'s {OPAQUE}", n=1)', 'Client(api_key="[key]", n=1)'),
        (f"{{'TOGETHER_API_KEY': '{OPAQUE}'}}", "{'TOGETHER_API_KEY': '[key]'}"),
        (f"{{'Authorization': 'Bearer {TOGETHERS}'}}", "{'Authorization': 'Bearer tgp_v1_[key]'}"),
        # after the word Bearer, whatever opens there
        (f"Bearer '{OPAQUE}'", "Bearer '[key]'"),
        (f'Bearer "{OPAQUE}', 'Bearer "[key]'),
        (f"Bearer [{OPAQUE}]", "Bearer [[key]]"),
        (f'Bearer \\"{OPAQUE}\\"', 'Bearer \\"[key]"'),
        # unquoted
        (f"authorization: {OPAQUE}", "authorization: [key]"),
        ("Authorization: Basic dXNlcjpw", "Authorization: Basic [key]"),
        (f"Authorization: Token {OPAQUE}\nHost: a", "Authorization: Token [key]\nHost: a"),
        (f"TOGETHER_API_KEY={OPAQUE} python app.py", "TOGETHER_API_KEY=[key] python app.py"),
        # what is no key stays
        ("{'Authorization': 'Bearer '}", "{'Authorization': 'Bearer '}"),
        ("Illegal header value b'Bearer '", "Illegal header value b'Bearer '"),
        ("TOGETHER_API_KEY=${TOGETHER_KEY}", "TOGETHER_API_KEY=${TOGETHER_KEY}"),
        ("fields 'api_key', 'model'", "fields 'api_key', 'model'"),
        ("Together(api_key=config.key)", "Together(api_key=config.key)"),
        ("an Authorization header", "an Authorization header"),
    ],
)
def test_around_a_key(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert redact(expected) == expected


@pytest.mark.parametrize(
    "unit",
    [
        "authorization:",
        "authorization='",
        "authorization='\\",
        "authorization: basic ",
        "api_key='",
        "API_KEY=",
        "bearer ",
        "bearer \\'",
        "bearer [key]",
        "eyJaaaaaaaa.",
        "sk-",
    ],
)
@pytest.mark.parametrize("filling", [" ", "'", "\\", "\\'", "\\t", "[", "[key]", "a"])
def test_no_text_takes_long(unit: str, filling: str) -> None:
    """Repeated or followed by much of anything: quadratic matching would take minutes."""
    started = time.process_time()
    redact(unit * (LONGEST // len(unit)))
    redact(unit + filling * (LONGEST // len(filling)))
    assert time.process_time() - started < 5


def test_a_secret_that_is_a_whole_file() -> None:
    """No key is that long: nothing is shown, at once, rather than searched for."""
    secret = "".join(chr(33 + (place * 7919 + place // 94) % 94) for place in range(1_000_000))
    told = redact(f"it was {secret[500:600]}", [secret])
    assert told == "(withheld: its key is too long to be looked for)"
    assert redact(told, [secret]) == told
    assert redact("", [secret]) == ""
    longest = secret[:LONGEST_SECRET]
    assert redact(f"it was {longest[500:600]}!", [longest]) == "it was [key]!"


def test_public_name_does_not_wake_a_lazy_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module's own ``__getattr__`` may import what the application never asked for."""
    lazy = types.ModuleType("sdk_lazy")

    def wake(name: str) -> object:
        raise AssertionError(name)

    lazy.__getattr__ = wake  # type: ignore[method-assign]  # as PEP 562 has it
    monkeypatch.setitem(sys.modules, "sdk_lazy", lazy)
    error = type("ApiError", (Exception,), {"__module__": "sdk_lazy._exceptions"})
    assert public_name(error) == "sdk_lazy._exceptions.ApiError"


def test_public_name_of_a_class_without_a_module() -> None:
    error = type("ApiError", (Exception,), {"__module__": None})
    assert public_name(error) == "None.ApiError"
