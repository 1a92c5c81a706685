"""Suggestions for misspelt words."""

from collections.abc import Iterable


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return ``; did you mean X?`` with the nearest word, or a period if none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - for misspelt words only

    near = get_close_matches(word, list(words), 1)
    return f"; did you mean {near[0]}?" if near else "."
