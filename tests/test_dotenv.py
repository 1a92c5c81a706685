"""`.env` files: what python-dotenv makes of the same text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from together_otel.dotenv import parse


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=b", {"A": "b"}),
        ("export A=b\r\nexport  B = c \r\n", {"A": "b", "B": "c"}),
        ("# A=b\n\n  # C=d\nE=f", {"E": "f"}),
        ("A=b # note\nB=c#d\nC= # note\nD=#e", {"A": "b", "B": "c#d", "C": "", "D": "#e"}),
        ("A=\nB=''\nC=\"\"", {"A": "", "B": "", "C": ""}),
        ("A='b # c'  # note\nB=\"d ' e\"", {"A": "b # c", "B": "d ' e"}),
        (r"A='b\'c\\d\n'", {"A": r"b'c\d\n"}),
        (r'A="b\"c\\d\n"', {"A": 'b"c\\d\n'}),
        ('A="b\nc"\nD=e', {"A": "b\nc", "D": "e"}),
        ("'A'=b", {"A": "b"}),
        ("A=old\nA=new", {"A": "new"}),
        ("A=b\nexport A", {}),
        ("A=b=c", {"A": "b=c"}),
    ],
)
def test_assignments(text: str, values: dict[str, str]) -> None:
    found = parse(text, {})
    assert found.values == values
    assert not found.skipped


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=${SET}", "environment"),
        ("SET=file\nA=${SET}", "environment"),
        ("B=file\nA=x${B}y", "xfiley"),
        ("A=${UNSET}", ""),
        ("A=${UNSET:-else}", "else"),
        ('A="${SET:-else}"', "environment"),
        ("A=$SET", "$SET"),
    ],
)
def test_references(text: str, value: str) -> None:
    """The environment comes before the file, as it does for the variables themselves."""
    assert parse(text, {"SET": "environment"}).values["A"] == value


def test_what_is_no_assignment() -> None:
    """It is skipped, and its line told; what comes behind it is read."""
    found = parse("A=b\r\n=c\nD='e' f\nG=h\nI='no end\nJ=k\n", {})
    assert found.values == {"A": "b", "G": "h", "J": "k"}
    assert found.skipped == (2, 3, 5)


def test_a_report_shows_no_value() -> None:
    assert "secret" not in repr(parse("A=secret", {}))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(st.sampled_from("AB='\"\\# \r\n\t$" + "{}:-é\u00a0") | st.characters(), max_size=40))
def test_any_text_is_read(text: str) -> None:
    """Every line is an assignment, nothing, or skipped."""
    found = parse(text, {})
    assert all(name and "=" not in name for name in found.values)
    assert all(line >= 1 for line in found.skipped)
