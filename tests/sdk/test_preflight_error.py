"""The exception that refuses a key: whatever handler there is of the SDK's can handle it."""

import copy
import gc
import pickle
import weakref

import pytest
import refusing
from generation import GENERATION
from recovering import events
from refusing import refused

from together_otel import UnusableKeyError
from together_otel.auth.preflight import _restored

# Fixtures, which pytest looks for in the module.
raising, sdk = refusing.raising, refusing.sdk


@pytest.mark.usefixtures("telemetry")
def test_it_is_an_exception_like_the_sdks(sdk):
    """Whatever handler reads of the SDK's is there, and says that there was no answer."""
    error = refused(sdk, api_key="changeme")
    assert repr(error) == f"UnusableKeyError({str(error)!r})"
    assert error.__cause__ is None
    if GENERATION == 1:
        assert (error.http_status, error.headers, error.request_id) == (None, {}, None)
    else:
        import together  # noqa: PLC0415 - after the instrumentation

        assert isinstance(error, together.APIStatusError)
        assert isinstance(error, together.TogetherError)
        assert error.message == str(error)
        assert error.status_code == 401
        assert (error.request, error.response, error.body) == (None, None, None)
    for again in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_it_is_itself_where_there_is_no_sdk():
    """Unpickled by a process that has another one, or none."""
    for place in (("together.nothing", "AuthenticationError"), ("json", "AuthenticationError")):
        error = _restored(place, "text", None, "link")
        assert type(error) is type(_restored(None, "text", None, "link")) is UnusableKeyError
        assert vars(pickle.loads(pickle.dumps(error))) == vars(error)  # noqa: S301 - our own


def test_a_missing_key_has_the_sdks_own_error_as_its_cause(sdk, telemetry):
    """Every time: only the log event is held back."""
    for _ in range(2):
        error = refused(sdk)
        assert "api_key client option must be set" in str(error.__cause__)
    assert telemetry.counter("together.client.auth.failures") == 2
    assert events(telemetry) == ["auth_failed"]


@pytest.mark.usefixtures("telemetry")
def test_what_the_caller_was_handling_is_its_context(sdk):
    """As with any exception; and when it was handled, nothing keeps it alive."""
    outer = KeyError("outer")

    def said():
        try:
            raise outer
        except KeyError:
            try:
                sdk.client(api_key="changeme")
            except UnusableKeyError as error:
                return weakref.ref(error), error.__context__, error.__suppress_context__
        return ()

    gc.disable()
    try:
        itself, context, suppressed = said()
        assert itself() is None
        assert (context, suppressed) == (outer, False)
    finally:
        gc.enable()
