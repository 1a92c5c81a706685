"""A realtime session's handshake is a call, and one that is refused an authentication failure."""

from __future__ import annotations

import http
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from generation import GENERATION, Sdk, leaks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.testing.telemetry import CapturedTelemetry

pytest.importorskip("together.lib.realtime", reason="realtime came with 2.42")
websockets_server = pytest.importorskip("websockets.sync.server")

MODEL = "openai/whisper-large-v3"
REFUSAL = {"error": {"message": "Invalid API key provided.", "code": "invalid_api_key"}}

# The SDK opens its sync websocket as websockets deprecated it in 17.1.
pytestmark = pytest.mark.filterwarnings("ignore:connect\\(\\) must be used:DeprecationWarning")


@pytest.fixture
def realtime(key: str) -> Iterator[str]:
    """A websocket server on loopback that accepts one key; its base URL for the client."""

    def look(connection: Any, request: Any) -> Any:
        if request.headers.get("Authorization") == f"Bearer {key}":
            return None
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, json.dumps(REFUSAL))

    def serve(connection: Any) -> None:
        for _ in connection:
            pass

    with websockets_server.serve(serve, "127.0.0.1", 0, process_request=look) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}" + ("" if GENERATION > 2 else "/v1")
        server.shutdown()
        thread.join()


def connect(sdk: Sdk, client: Any) -> None:
    """Open a session and leave it, in the way that the SDK's manager does."""
    manager = client.beta.realtime.connect(model=MODEL)
    if not sdk.is_async:
        with manager:
            return

    async def opened() -> None:
        async with manager:
            return

    sdk.run(opened)


def test_accepted(sdk: Sdk, key: str, realtime: str, telemetry: CapturedTelemetry) -> None:
    connect(sdk, sdk.client(api_key=key, base_url=realtime))

    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span["name"] == f"realtime.connect {MODEL}"
    assert span["attributes"]["together.request.outcome"] == "success"
    assert telemetry.counter("together.client.auth.failures") == 0


def test_refused(sdk: Sdk, key: str, realtime: str, telemetry: CapturedTelemetry) -> None:
    """A 401 in the handshake, which the SDK raises as the websocket library's own exception."""
    wrong = key[:-3] + "abc"
    with pytest.raises(Exception, match="401"):
        connect(sdk, sdk.client(api_key=wrong, base_url=realtime))

    (event,) = [log for log in telemetry.logs() if log["event_name"].endswith("auth_failed")]
    assert event["attributes"]["together.auth.cause"] == "rejected"
    assert event["attributes"]["http.response.status_code"] == 401
    assert telemetry.counter("together.client.auth.failures") == 1
    assert leaks(telemetry.everything(), wrong) == []
