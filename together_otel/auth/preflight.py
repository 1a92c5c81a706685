"""Detection and refusal of a constructor's key that cannot work."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final

from together_otel.keys import Refusal, can_be_sent, diagnose, text_of
from together_otel.keys.hosts import is_together_host

if TYPE_CHECKING:
    from together_otel.clients.base import Adapter, GivenKey
    from together_otel.keys import Diagnosis, KeyReport
    from together_otel.names import Cause

_LOGGED_OUT: Final = "0" * 40
"""Key of the clients that the SDK's own command line creates without making requests."""


class UnusableKeyError(Exception):
    """Raised when a client is created with a key that cannot work, before any request.

    The exception raised is also an ``AuthenticationError`` of the SDK. It has no HTTP response:
    ``response``, ``request`` and ``body`` are ``None`` in 2.x and 3.x, as is ``http_status`` in
    1.x. The ``status_code`` of 2.x and 3.x is the class's own 401. It can be copied and pickled,
    and contains no key.

    Attributes:
        diagnosis: cause and remedy.
        runbook: URL of the cause's entry in the runbook.
    """

    _base: ClassVar[type[Exception] | None] = None
    """The SDK's exception class that the class also derives from."""

    def __init__(self, message: str, diagnosis: Diagnosis, runbook: str) -> None:
        # Not super(), which would be the SDK's constructor: it requires a response.
        Exception.__init__(self, message)
        self.diagnosis = diagnosis
        self.runbook = runbook

    @property
    def cause(self) -> Cause:
        """The cause, one of `names.CAUSES`."""
        return self.diagnosis.cause

    @property
    def remedy(self) -> str:
        """How to fix it, in one sentence."""
        return self.diagnosis.remedy

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        base = self._base
        place = None if base is None else (base.__module__, base.__qualname__)
        return _restored, (place, str(self), self.diagnosis, self.runbook), self.__dict__


def refusal_of(adapter: Adapter, diagnosis: Diagnosis, runbook: str) -> UnusableKeyError:
    """Return the exception to raise for a key that cannot work."""
    message = (
        f"{diagnosis.remedy} No request was made, as such an api_key cannot work"
        f" ({diagnosis.cause}): {runbook}"
    )
    base, fields = adapter.authentication_error(message)
    refusal = _kind_of(base)(message, diagnosis, runbook)
    refusal.__dict__.update(fields)
    return refusal


def fault_of(
    adapter: Adapter, client: Any, given: GivenKey, report: KeyReport, hosts: tuple[str, ...] = ()
) -> Diagnosis | None:
    """Return why the key of a new client cannot work, or ``None`` if it may.

    A key of an unknown format may be valid, and hosts other than Together's, among which ``hosts``
    count, accept any format. Such keys are only certain to fail if they cannot be sent in a header.
    """
    if report.usable or given.source == "header":
        return None
    text = text_of(given.value)
    if text == _LOGGED_OUT or adapter.is_signed_elsewhere(client):
        return None
    host = adapter.host(client)
    if report.format == "other_provider" and not is_together_host(host):
        # Another provider's host takes its keys, and a gateway has keys of its own.
        report = replace(report, format="unrecognized")
    is_free = report.format == "unrecognized" or not is_together_host(host, hosts)
    if is_free and can_be_sent(text):
        return None
    return diagnose(report, Refusal("constructor"))


_kinds: dict[type[Exception], type[UnusableKeyError]] = {}


def _kind_of(base: type[Exception] | None) -> type[UnusableKeyError]:
    """Return a class of refusals that also derives from an SDK's exception class."""
    if base is None:
        return UnusableKeyError
    if base not in _kinds:
        kind = type(UnusableKeyError.__name__, (UnusableKeyError, base), {"_base": base})
        _kinds.setdefault(base, kind)
    return _kinds[base]


def _restored(place: tuple[str, str] | None, *args: Any) -> UnusableKeyError:
    """Unpickle an error, perhaps in a process with another SDK version or none."""
    try:
        base = None if place is None else getattr(import_module(place[0]), place[1])
    except (ImportError, AttributeError):
        base = None
    return _kind_of(base)(*args)
