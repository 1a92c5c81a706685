"""What is counted and measured, whichever backend emits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from together_otel.names import (
    AUTH_FAILURES,
    KEY_CHECKS,
    KEY_RECOVERIES,
    MODEL_LIMIT,
    OTHER_MODEL,
    REQUESTS,
    RETRIES,
    TELEMETRY_ERRORS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.context import Context

    from together_otel.names import (
        Cause,
        Metric,
        Outcome,
        RecoveryOutcome,
        Stage,
        TokenType,
    )

Labels = tuple["str | int | None", ...]
"""Values in the order of a metric's attributes; ``None`` for one that is not known."""

Value = tuple["Metric", "TokenType | None", float]
"""Of a histogram, in its metric's unit; the type of tokens where it is them that are counted."""


class KeyUse(NamedTuple):
    """What is known of one key in use; times are Unix seconds, ``None`` for never."""

    fingerprint: str
    format: str
    source: str
    last_accepted: float | None
    last_refused: float | None


class Metrics:
    """The contract's metrics in the words of what happens; this one emits none.

    A backend overrides ``add``, ``record`` and, where it has to be told of keys,
    ``keys_changed``. ``keys_in_use`` is set by who knows them.
    """

    def __init__(self) -> None:
        self.keys_in_use: Callable[[], Iterable[KeyUse]] = tuple
        self._models: set[str] = set()
        self._operations: set[str] = set()

    def add(self, metric: Metric, labels: Labels, amount: int = 1) -> None:
        """Add to a counter; 0 makes the series exist."""

    def record(self, values: Iterable[Value], labels: Labels, context: Context) -> None:
        """Record the values of a call in histograms, in the context of its span."""

    def keys_changed(self, *, at_once: bool) -> None:
        """Note that `keys_in_use` says something new.

        Args:
            at_once: whether it may not wait: a process may die of what has happened.
        """

    def start(self) -> None:
        """Begin to emit, or go on after `stop`."""

    def stop(self) -> None:
        """Emit no more; what was counted is kept for another `start`."""

    def auth_failed(self, cause: Cause) -> None:
        """Count one authentication failure, in the context of its span."""
        self.add(AUTH_FAILURES, (cause,))

    def key_checked(self, presence: str, key_format: str, source: str) -> None:
        """Count one key that a constructor took."""
        self.add(KEY_CHECKS, (presence, key_format, source))

    def recovered(self, outcome: RecoveryOutcome, times: int = 1) -> None:
        """Count searches for another key; 0 makes the series exist."""
        self.add(KEY_RECOVERIES, (outcome,), times)

    def swallowed(self, stage: Stage) -> None:
        """Count one error of our own."""
        self.add(TELEMETRY_ERRORS, (stage,))

    def tried(self, operation: str) -> None:
        """Make an operation's series exist before its outcome is known."""
        if operation in self._operations:
            return
        self._operations.add(operation)
        for outcome in ("success", "auth_failure"):
            self.add(REQUESTS, (operation, outcome), 0)

    def finished(self, operation: str, outcome: Outcome) -> None:
        """Count one request."""
        self.add(REQUESTS, (operation, outcome))

    def retried(self, operation: str, times: int = 1) -> None:
        """Count attempts that the SDK made again by itself."""
        if times:
            self.add(RETRIES, (operation,), times)

    def model(self, name: str) -> str:
        """Return the label for a model: its name, or ``_other`` past the limit."""
        if name not in self._models:
            if len(self._models) >= MODEL_LIMIT:
                return OTHER_MODEL
            self._models.add(name)
        return name
