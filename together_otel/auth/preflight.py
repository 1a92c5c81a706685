"""A constructor's key that cannot work: told apart from one that may, and refused."""

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
"""What the SDK's own command line makes clients of that are not to make requests."""


class UnusableKeyError(Exception):
    """A client was to be made of a key that cannot work; no request was made.

    What is raised is an ``AuthenticationError`` of the SDK as well. Of an answer it says what
    the SDK does where there was none: ``response``, ``request`` and ``body`` are ``None`` in
    2.x and 3.x, ``http_status`` in 1.x. The ``status_code`` of 2.x and 3.x is the class's own
    401. It can be copied and pickled, and holds no key.

    Args:
        message: remedy and cause, for people.
        diagnosis: the same, apart.
        runbook: link to the cause's entry in the runbook.

    Attributes:
        diagnosis: cause and remedy.
        runbook: link to the cause's entry in the runbook.
    """

    _base: ClassVar[type[Exception] | None] = None
    """The SDK's class that an instance is one of."""

    def __init__(self, message: str, diagnosis: Diagnosis, runbook: str) -> None:
        # Not the next class's, which would be the SDK's: it asks for an answer.
        Exception.__init__(self, message)
        self.diagnosis = diagnosis
        self.runbook = runbook

    @property
    def cause(self) -> Cause:
        """The cause, one of the README's."""
        return self.diagnosis.cause

    @property
    def remedy(self) -> str:
        """What to do about it, in one sentence."""
        return self.diagnosis.remedy

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        base = self._base
        place = None if base is None else (base.__module__, base.__qualname__)
        return _restored, (place, str(self), self.diagnosis, self.runbook), self.__dict__


def refusal_of(adapter: Adapter, diagnosis: Diagnosis, runbook: str) -> UnusableKeyError:
    """Return what to raise instead of making a client."""
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
    """Return why the key of a client that was made cannot work; ``None`` where it may.

    A shape that nobody knows may be right, and what is not Together's takes whatever key it
    likes: of these, only one that does not fit into a header is certain to fail.

    Args:
        adapter: of the client.
        client: what was made.
        given: the key that it was made of.
        report: what that looks like.
        hosts: further ones that count as Together's.
    """
    if report.usable or given.source == "header":
        return None
    text = text_of(given.value)
    if text == _LOGGED_OUT or adapter.is_signed_elsewhere(client):
        return None
    if is_together_host(adapter.host(client), hosts):
        if report.format == "unrecognized" and can_be_sent(text):
            return None
    elif can_be_sent(text):
        return None
    elif report.format == "other_provider":
        # There, that is not what is wrong with it.
        report = replace(report, format="unrecognized")
    return diagnose(report, Refusal("constructor"))


_kinds: dict[type[Exception], type[UnusableKeyError]] = {}


def _kind_of(base: type[Exception] | None) -> type[UnusableKeyError]:
    """Return the class of refusals that are an SDK's as well."""
    if base is None:
        return UnusableKeyError
    if base not in _kinds:
        kind = type(UnusableKeyError.__name__, (UnusableKeyError, base), {"_base": base})
        _kinds.setdefault(base, kind)
    return _kinds[base]


def _restored(place: tuple[str, str] | None, *args: Any) -> UnusableKeyError:
    """Make one again, in another process perhaps, where the SDK may be another or none."""
    try:
        base = None if place is None else getattr(import_module(place[0]), place[1])
    except (ImportError, AttributeError):
        base = None
    return _kind_of(base)(*args)
