"""What the tests of keys that are refused before any request share."""

import pytest
from generation import GENERATION

from together_otel import TogetherInstrumentor, UnusableKeyError
from together_otel.auth import preflight


@pytest.fixture(autouse=True)
def raising(monkeypatch):
    """What every test begins with."""
    monkeypatch.setenv("TOGETHER_OTEL_PREFLIGHT", "raise")
    monkeypatch.setattr(preflight, "_kinds", {})


@pytest.fixture
def sdk(sdk):
    """The SDK, whose clients are Together's own: none of them makes a request."""
    sdk.base_url = "https://api.together.xyz/v1"
    return sdk


def sdk_error():
    """Return what users catch."""
    if GENERATION == 1:
        import together.error  # noqa: PLC0415 - of 1.x alone

        return together.error.AuthenticationError  # type: ignore[no-any-return]
    import together  # noqa: PLC0415 - after the instrumentation

    return together.AuthenticationError  # type: ignore[no-any-return]


def refused(sdk, **options):
    """Return what the constructor raises."""
    with pytest.raises(sdk_error()) as caught:
        sdk.client(**options)
    assert isinstance(caught.value, UnusableKeyError)
    return caught.value


def on_with(telemetry, **options):
    """Turn the instrumentation on anew."""
    TogetherInstrumentor().uninstrument()
    TogetherInstrumentor().instrument(
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
        **options,
    )
