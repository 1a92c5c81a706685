"""The key that counts is the one that was sent: options that replace the client's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from generation import GENERATION, Sdk, leaks, made_up_key

if TYPE_CHECKING:
    from together_otel.testing.telemetry import CapturedTelemetry

pytestmark = pytest.mark.skipif(GENERATION < 2, reason="1.x has none of these options")

OTHER = made_up_key("Z")


def failed(telemetry: CapturedTelemetry) -> dict[str, Any]:
    """Return the attributes of the one authentication failure."""
    (event,) = [log for log in telemetry.logs() if log["event_name"].endswith("auth_failed")]
    assert telemetry.counter("together.client.auth.failures") == 1
    attributes: dict[str, Any] = event["attributes"]
    assert attributes["together.auth.cause"] == "overridden"
    return attributes


@pytest.mark.parametrize("spelling", ["Authorization", "AUTHORIZATION"])
def test_extra_headers(spelling: str, sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """Of one call only."""
    client = sdk.client(api_key=key)
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client, extra_headers={spelling: f"Bearer {OTHER}"})

    attributes = failed(telemetry)
    assert "extra_headers" in attributes["together.auth.remedy"]
    assert attributes["together.api_key.source"] == "header"
    assert leaks(telemetry.everything(), OTHER) == []
    sdk.chat(client)


def test_auth_of_the_http_client(sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """A client of httpx with a login of its own puts that over the key."""
    import httpx  # noqa: PLC0415 - the SDK's own dependency, from 2.x on

    kind = httpx.AsyncClient if sdk.is_async else httpx.Client
    client = sdk.client(api_key=key, http_client=kind(auth=("somebody", "something")))
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)

    assert "passed as http_client" in failed(telemetry)["together.auth.remedy"]


def test_header_removed(sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """`Omit()` sends no header at all; what was asked without a key is no acceptance either."""
    import together  # noqa: PLC0415 - after the instrumentation

    client = sdk.client(api_key=key, default_headers={"Authorization": together.Omit()})
    with pytest.raises(Exception, match="Missing API key"):
        sdk.chat(client)

    attributes = failed(telemetry)
    assert "was removed" in attributes["together.auth.remedy"]
    assert "default_headers" in attributes["together.auth.remedy"]


def test_good_header_over_an_empty_key(sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """Works, and is nobody's failure: the finding says that the key comes by header."""
    client = sdk.client(api_key="", default_headers={"Authorization": f"Bearer {key}"})
    assert sdk.chat(client).choices

    assert telemetry.counter("together.client.auth.failures") == 0
    (checked,) = telemetry.logs()
    assert checked["severity"] == "INFO"
    assert checked["attributes"]["together.api_key.source"] == "header"


def test_key_set_later(sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """`client.api_key = …` counts from the next request on."""
    client = sdk.client(api_key=OTHER)
    client.api_key = key
    assert sdk.chat(client).choices
    client.api_key = ""
    with pytest.raises(Exception, match="Connection error"):
        sdk.chat(client)

    counted = {"together.auth.cause": "empty"}
    assert telemetry.counter("together.client.auth.failures", counted) == 1
    assert telemetry.counter("together.client.auth.failures") == 1
