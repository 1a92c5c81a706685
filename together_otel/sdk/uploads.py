"""Uploads of files: several requests, of which the transfer itself goes past ``request``.

It goes to storage elsewhere, without the key. So the upload is a call of its own, round those
that the SDK makes for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from together_otel.sdk.addresses import port_of
from together_otel.sdk.calls import Request
from together_otel.sdk.legacy import Legacy, overriding
from together_otel.sdk.stainless import Stainless

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.sdk.calls import Result

OPERATION = "files.upload"


class StainlessUploads(Stainless):
    """Adapter of the upload managers of 2.x and 3.x."""

    composed = True

    def key(self, client: Any) -> object:
        """See `Adapter.key`."""
        return super().key(client._client)  # noqa: SLF001 - where managers keep it

    def override(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
        """See `Adapter.override`."""
        return super().override(client._client, args, kwargs)  # noqa: SLF001 - the same

    def request(self, client: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> Request:
        """See `Adapter.request`."""
        base = client._client.base_url  # noqa: SLF001 - the same
        return Request(OPERATION, base.host, port_of(base))

    def result(self, value: Any, result: Result) -> None:
        """Add nothing: what comes back describes the file."""


class LegacyUploads(Legacy):
    """Adapter of the upload managers of 1.x."""

    composed = True

    def key(self, client: Any) -> object:
        """See `Adapter.key`."""
        return client._client.api_key  # noqa: SLF001 - where managers keep it

    def override(
        self, client: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]
    ) -> str | None:
        """See `Adapter.override`."""
        return overriding(client._client.supplied_headers)  # noqa: SLF001 - where managers keep it

    def request(self, client: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> Request:
        """See `Adapter.request`."""
        base = urlsplit(str(client._client.base_url))  # noqa: SLF001 - the same
        return Request(OPERATION, base.hostname, port_of(base))

    def result(self, value: Any, result: Result) -> None:
        """Add nothing: what comes back describes the file."""
