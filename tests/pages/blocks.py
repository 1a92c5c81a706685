"""The fenced blocks of a page, and how each of them is tested.

A comment before a block changes what is done with it::

    <!-- test: background -->             it runs until the page's end
    <!-- test: not run: REASON -->        REASON says what it takes, such as Docker
    <!-- test: checked by COMMAND -->     COMMAND gets the block on its standard input
    <!-- test: prints, as COMMAND does --> what the block shows is what COMMAND prints

Without one, a block is tested by its language: ``python title="FILE"`` is written to FILE,
``python`` runs, ``sh`` runs, ``console`` is commands after ``$`` with what each of them prints.
In what is shown, ``…`` stands for anything, a line end for any white space, and a number but
zero, a time or a fingerprint for any other.
"""

import re
from typing import NamedTuple

_BLOCK = re.compile(
    r"(?:^[ ]*<!-- test: (?P<how>.*?) -->\n+)?"
    r"^(?P<indent>[ ]*)```(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        line: where it begins in its page, from 1.
        language: the first word of what stands after the fence.
        title: the file that it is, or "".
        how: what the comment before it says, or "".
        text: what is in it, without the page's indentation.
    """

    line: int
    language: str
    title: str
    how: str
    text: str

    def commands(self):
        """Return the commands of a console and what each of them prints."""
        found = re.split(r"^\$ (.*)\n", self.text, flags=re.MULTILINE)[1:]
        return list(zip(found[::2], found[1::2], strict=True))


def blocks(page):
    """Return a page's fenced blocks in their order."""
    source = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(source):
        language, _, rest = match["info"].strip().partition(" ")
        title = re.search(r'title="([^"]+)"', rest)
        text = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        line = source.count("\n", 0, match.start("info")) + 1
        found.append(Block(line, language, title[1] if title else "", match["how"] or "", text))
    return found


# What is another one each time: times, fingerprints, addresses, and numbers but zero.
_VARIES = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+Z|\b[0-9a-f]{8}\b|(?<=server\.address=)\S+|(?!0(?:\.0)?\b)\d+(?:\.\d+)?(?:e[+-]\d+)?"
)


def shows(shown, printed):
    """Tell whether what a page shows is in what was printed, whatever times and numbers are."""
    shown, printed = (_VARIES.sub("1", text) for text in (shown, printed))
    words = (".*?".join(map(re.escape, word.split("…"))) for word in shown.split())
    return re.search(r"\s+".join(words), printed, re.DOTALL) is not None
