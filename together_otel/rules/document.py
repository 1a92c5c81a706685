"""Rules as readable YAML: expressions keep their lines, long texts are folded.

A YAML writer of its own, as the package does not depend on a YAML library.
"""

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_WIDTH = 110
_PLAIN = r"[A-Za-z_]\w*|https://[\w./#-]+"
_SHARED = 200  # minimum length in characters of a repeated text to be written as a YAML alias


@dataclass(frozen=True)
class Rule:
    """An alert if it has annotations, or else a recording rule.

    ``comment`` is what the series means, or when the alert fires; ``wait`` the alert's ``for``,
    ``keep`` its ``keep_firing_for``. The labels are those of the alert, or are added to the series.
    """

    name: str
    expr: str
    comment: str = ""
    wait: str = ""
    keep: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """The rule's field for its name: ``alert`` or ``record``."""
        return "alert" if self.annotations else "record"


@dataclass(frozen=True)
class Group:
    """Rules evaluated in sequence, at the same timestamp; each can use earlier ones' series.

    The interval is empty for Prometheus's default.
    """

    name: str
    rules: tuple[Rule, ...]
    interval: str = ""


def render(header: str, groups: Iterable[Group]) -> str:
    """Return the text of a rule file, without empty groups."""
    groups = tuple(group for group in groups if group.rules)
    lines = [f"# {line}".rstrip() for line in header.strip().splitlines()]
    lines.append("groups:" if groups else "groups: []")
    anchors = _Anchors(
        text for group in groups for rule in group.rules for text in rule.annotations.values()
    )
    for group in groups:
        lines.append(f"- name: {group.name}")
        if group.interval:
            lines.append(f"  interval: {group.interval}")
        lines.append("  rules:")
        for rule in group.rules:
            lines += _rule(rule, anchors)
    return "\n".join(lines) + "\n"


class _Anchors:
    """YAML anchors and aliases for texts that occur more than once."""

    def __init__(self, texts: Iterable[str]) -> None:
        counted = Counter(text for text in texts if len(text) >= _SHARED)
        self._names = {
            text: f"text{place}"
            for place, text in enumerate((text for text in counted if counted[text] > 1), 1)
        }
        self._written: set[str] = set()

    def write(self, key: str, text: str) -> list[str]:
        name = self._names.get(text)
        if name is None:
            return _text(key, text)
        if text in self._written:
            return [f"{key}: *{name}"]
        self._written.add(text)
        first, *others = _text(key, text)
        return [first.replace(": ", f": &{name} ", 1), *others]


def _rule(rule: Rule, anchors: _Anchors) -> list[str]:
    lines = [
        f"  # {line}" for line in textwrap.wrap(rule.comment, _WIDTH - 4, break_on_hyphens=False)
    ]
    lines.append(f"  - {rule.word}: {rule.name}")
    lines += _text("    expr", rule.expr)
    if rule.wait:
        lines.append(f"    for: {rule.wait}")
    if rule.keep:
        lines.append(f"    keep_firing_for: {rule.keep}")
    if rule.labels:
        pairs = ", ".join(f"{key}: {value}" for key, value in rule.labels.items())
        lines.append(f"    labels: {{{pairs}}}")
    if rule.annotations:
        lines.append("    annotations:")
        for key, value in rule.annotations.items():
            lines += anchors.write(f"      {key}", value)
    return lines


def _text(key: str, text: str) -> list[str]:
    indent = " " * (len(key) - len(key.lstrip()) + 2)
    if "\n" in text:
        return [f"{key}: |-", *textwrap.indent(text, indent).splitlines()]
    if re.fullmatch(_PLAIN, text):
        return [f"{key}: {text}"]
    words = textwrap.wrap(
        text, _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False
    )
    if len(words) > 1 and " ".join(words) == text:
        return [f"{key}: >-", *(indent + line for line in words)]
    # A JSON string is a valid YAML string.
    return [f"{key}: {json.dumps(text, ensure_ascii=False)}"]
