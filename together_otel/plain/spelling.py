"""Plurals, and suggestions for misspelt words."""

from collections.abc import Iterable
from os.path import commonprefix


def count_of(number: float, noun: str) -> str:
    """Return a number with a noun, whose plural ends in s."""
    return f"{number:g} {noun}{'s' * (number != 1)}"


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return ``; did you mean X?`` with the nearest word, or a period if none is near.

    A prefix that all share does not count.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - for misspelt words only

    known = list(words)
    prefix = commonprefix([word, *known])  # noqa: RUF071 - these are no paths
    near = get_close_matches(
        word.removeprefix(prefix), [one.removeprefix(prefix) for one in known], 1
    )
    return f"; did you mean {prefix}{near[0]}?" if near else "."
