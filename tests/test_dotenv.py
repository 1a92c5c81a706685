"""`.env` files: what python-dotenv's `load_dotenv()` makes of the same text."""

import os
from unittest import mock

import pytest
from dotenv import load_dotenv
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from together_otel.recovery.dotenv import parse

ENVIRONMENT = {"SET": "environment"}
PIECES = [*"AB='\"\\# \r\n\t$\ufeff\u00a0é", "${", "}", ":-", "SET", "export "]


@settings(
    derandomize=True,
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@example("\ufeffA=b")
@example("A\nB=${A:-else}")
@example("A=b\nexport A")
@example("SET=file\nA=${SET}${SET:-else}${B:-else}")
@example("A='b\r\nc'\rB=d # note")
def test_the_same_as_load_dotenv(tmp_path, text):
    """What is set already wins, also over the file's own references."""
    file = tmp_path / ".env"
    file.write_text(text, encoding="utf-8", newline="")
    with mock.patch.dict(os.environ, ENVIRONMENT, clear=True):
        try:
            load_dotenv(file)
        except ValueError:  # a name that no environment takes
            assume(condition=False)
        loaded = dict(os.environ)
    assert {**parse(text, ENVIRONMENT).values, **ENVIRONMENT} == loaded


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=${SET}", "environment"),
        ("SET=file\nA=${SET}", "environment"),
        ("B=file\nA=x${B}y", "xfiley"),
        ("A=${UNSET}", ""),
        ("A=${UNSET:-else}", "else"),
        ("UNSET\nA=${UNSET:-else}", ""),
        ("A=$SET", "$SET"),
    ],
)
def test_references(text, value):
    """The environment comes before the file, as it does for the variables themselves."""
    assert parse(text, ENVIRONMENT).values["A"] == value


def test_what_is_no_assignment():
    """It is skipped, and its line told; what comes behind it is read."""
    found = parse("A=b\r\n\r\n  =c\nD='e' f\nG=h\nI='no end\nJ=k\n", {})
    assert found.values == {"A": "b", "G": "h", "J": "k"}
    assert found.skipped == (3, 4, 6)


def test_a_report_shows_no_value():
    assert "secret" not in repr(parse("A=secret", {}))
