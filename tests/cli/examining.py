"""What the doctor found, and a set-up that is good."""

from typing import NamedTuple

GOOD = {
    "OTEL_METRICS_EXPORTER": "console",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
"""A set-up with nothing to complain of."""


class Found(NamedTuple):
    """What the doctor says, and its exit code."""

    code: int
    findings: list[dict[str, str]]

    @property
    def complaints(self):
        """Level and topic of what is not well."""
        return [(one["level"], one["about"]) for one in self.findings if one["level"] != "ok"]

    def text(self, about):
        """Return all that is said of a topic, fixes included."""
        return "\n".join(
            f"{one['text']} {one['fix']}" for one in self.findings if one["about"] == about
        )


def set_all(monkeypatch, variables):
    """Set several variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
