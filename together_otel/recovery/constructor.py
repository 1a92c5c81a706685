"""A constructor that is run once more when it refused for want of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel.keys import identity_of, text_of
from together_otel.recovery.asking import running_loop
from together_otel.recovery.retry import LINES, RetryBase
from together_otel.recovery.scope import in_use
from together_otel.recovery.search import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from together_otel.auth.runtime import AuthFailure, Runtime
    from together_otel.clients.base import Adapter
    from together_otel.recovery.lineage import Line
    from together_otel.recovery.scope import Recovery
    from together_otel.recovery.search import Found


def retry_of_constructor(
    runtime: Runtime,
    adapter: Adapter,
    client: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> ConstructorRetry | None:
    """Return what is to run a constructor again, if recovery is on."""
    if (recovery := in_use(runtime)) is None:
        return None
    return ConstructorRetry(runtime, recovery, adapter, client, args, kwargs)


class ConstructorRetry(RetryBase):
    """The retry of a constructor that refuses for want of a key.

    A refusal is told once nothing has helped: with another key the application has its client, and
    nothing has failed.

    Attributes:
        args: what to call it with.
        kwargs: the same.
    """

    def __init__(
        self,
        runtime: Runtime,
        recovery: Recovery,
        adapter: Adapter,
        client: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        super().__init__(runtime, recovery)
        self.args, self.kwargs = args, kwargs
        self._adapter, self._client = adapter, client
        # Nobody can await a constructor.
        self._may_wait = running_loop() is None or not _is_async(client)
        self._failure: AuthFailure | None = None
        self._tell: Callable[[], None] | None = None
        self._line: Line | None = None
        self._found: Found | None = None

    def refused(self, failure: AuthFailure, tell: Callable[[], None]) -> None:
        """Note that a turn was refused for want of a key, and what tells of it."""
        self._failure, self._tell = failure, tell

    def _ended(self, exc: BaseException | None) -> Search | None:
        """See `RetryBase._ended`."""
        if exc is None and self._line is not None and self._found is not None:
            LINES.of(self._adapter.shared(self._client), self._found.key).proves(self._line)
        if exc is None or self._failure is None or self._found is not None:
            return None
        line = self._line = LINES.of(self._recovery, None)
        if self._was_refused(line.current):
            line.refused(line.current)
        return Search(
            self._runtime, line, self._recovery, None, self._failure, may_wait=self._may_wait
        )

    def _goes_round(self, exc: BaseException | None, found: Found | None) -> bool:
        tell, self._tell = self._tell, None
        goes_round = super()._goes_round(exc, found)
        if tell is not None and not goes_round:
            tell()
        return goes_round

    def _was_refused(self, key: object) -> bool:
        """Tell whether the key that earlier constructors got was refused to their clients."""
        if key is None:
            return False
        identity, history = identity_of(text_of(key)), self._runtime.keys.history
        refused = history.last_refused(identity)
        return refused is not None and refused > (history.last_accepted(identity) or 0.0)

    def _takes(self, found: Found) -> bool:
        """See `RetryBase._takes`."""
        self._found = found
        if self.args:
            self.args = (found.key, *self.args[1:])
        else:
            self.kwargs = {**self.kwargs, "api_key": found.key}
        return True


def _is_async(client: Any) -> bool:
    return any(cls.__name__.startswith("Async") for cls in type(client).__mro__)
