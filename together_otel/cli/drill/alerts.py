"""Which alerts a cause leads to, read from the rules themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from together_otel.cli.export.files import files
from together_otel.names import AUTH_CAUSE, REQUEST_OUTCOME, label_of

if TYPE_CHECKING:
    from together_otel.names import Cause

_GROUP = re.compile(r"^- name: together_auth\n(.*?)(?=^- name: |\Z)", re.MULTILINE | re.DOTALL)
_RULE = re.compile(r"^  - (?=alert: |record: )", re.MULTILINE)
_NAME = re.compile(r"alert: (\w+)")
_SEVERITY = re.compile(r"severity: (\w+)")
# In an expression that YAML has in quotes, its own are escaped.
_CAUSES = re.compile(rf'{label_of(AUTH_CAUSE)}=~?\\?"([\w|]+)')
_REFUSED = re.compile(rf'{label_of(REQUEST_OUTCOME)}=\\?"auth_failure')


class Alert(NamedTuple):
    """An alert of the rules."""

    name: str
    severity: str


def alerts_of(cause: Cause, *, asks: bool) -> list[Alert]:
    """Return the alerts of refused keys that a cause leads to, in the rules' order.

    Args:
        cause: of the failures.
        asks: whether requests are made: some rules look at these.
    """
    rules = next(one.text for one in files() if one.path.name == "alerts.yaml")
    group = _GROUP.search(rules)
    found = []
    for rule in _RULE.split(group[1] if group else ""):
        name, severity = _NAME.match(rule), _SEVERITY.search(rule)
        if name is None or severity is None:
            continue
        expression = rule.partition("\n    labels:")[0]
        causes = _CAUSES.search(expression)
        wanted = causes is None or cause in causes[1].split("|")
        if wanted and (asks or not _REFUSED.search(expression)):
            found.append(Alert(name[1], severity[1]))
    return found
