"""`with_raw_response` and `with_streaming_response`: the caller reads, or does not."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from generation import GENERATION, MESSAGES, MODEL, Sdk

if TYPE_CHECKING:
    from together_otel.testing.telemetry import CapturedTelemetry

pytestmark = pytest.mark.skipif(GENERATION < 2, reason="1.x has no raw responses")

ASK: dict[str, Any] = {"model": MODEL, "messages": MESSAGES}


def call(telemetry: CapturedTelemetry) -> dict[str, Any]:
    """Return the attributes of the only call."""
    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    attributes: dict[str, Any] = span["attributes"]
    return attributes


def test_raw_response(sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """It carries usage though nobody parsed it, and parses as before."""
    client = sdk.client(api_key=key)
    raw = sdk.run(lambda: client.chat.completions.with_raw_response.create(**ASK))

    assert call(telemetry)["gen_ai.usage.output_tokens"] == 6
    assert call(telemetry)["together.request.outcome"] == "success"
    assert sdk.run(raw.parse).choices


@pytest.mark.parametrize("how", ["parse", "lines", "nothing"])
def test_streaming_response(how: str, sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """Its span lasts until the body was read, or left."""
    client = sdk.client(api_key=key)
    create = client.chat.completions.with_streaming_response.create

    def read() -> None:
        with create(stream=True, **ASK) as response:
            assert [one for one in telemetry.spans() if one["kind"] == "CLIENT"] == []
            if how == "parse":
                assert len(list(response.parse())) > 2
            elif how == "lines":
                assert len(list(response.iter_lines())) > 2

    async def read_async() -> None:
        async with create(stream=True, **ASK) as response:
            assert [one for one in telemetry.spans() if one["kind"] == "CLIENT"] == []
            if how == "parse":
                assert len([one async for one in await response.parse()]) > 2
            elif how == "lines":
                assert len([one async for one in response.iter_lines()]) > 2

    sdk.run(read_async if sdk.is_async else read)
    gc.collect()

    expected = "abandoned" if how == "nothing" else "success"
    assert call(telemetry)["together.request.outcome"] == expected
    assert telemetry.counter("together.client.requests") == 1


def test_streaming_response_of_json(sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """A body read at once ends the call as well."""
    client = sdk.client(api_key=key)
    create = client.chat.completions.with_streaming_response.create

    def read() -> None:
        with create(**ASK) as response:
            assert response.read()

    async def read_async() -> None:
        async with create(**ASK) as response:
            assert await response.read()

    sdk.run(read_async if sdk.is_async else read)
    assert call(telemetry)["together.request.outcome"] == "success"
