"""What ``error.type`` may be: a closed, documented list, so that a label cannot grow.

``exception.type`` beside it is always the exact class.
"""

from __future__ import annotations

import builtins
from typing import Final

from together_otel.keys import public_name

OTHER: Final = "_OTHER"
"""OpenTelemetry's own word for an error that is not in the list."""


def _of(module: str, names: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in names.split())


FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "`together` 2.x and 3.x": (
        *_of(
            "together",
            """
            TogetherError APIError APIStatusError APIConnectionError APITimeoutError
            APIResponseValidationError BadRequestError AuthenticationError
            PermissionDeniedError NotFoundError ConflictError UnprocessableEntityError
            RateLimitError InternalServerError FileTypeError DownloadError
            """,
        ),
        *_of("together._response", "StreamAlreadyConsumed MissingStreamClassError"),
        *_of("together.lib.resources.files", "FileAlreadyExistsError"),
        *_of("together.lib.utils.files", "InvalidFileFormatError"),
        *_of("together.lib.post_training._operations", "OperationFailedError"),
        *_of("together.post_training._operations", "OperationFailedError"),
        *_of(
            "together.lib.realtime",
            """
            RealtimeError RealtimeConnectionError RealtimeSessionError
            RealtimeIdleTimeoutError RealtimeBufferOverflowError RealtimeInvalidStateError
            """,
        ),
    ),
    "`together` 1.x": (
        *_of(
            "together.error",
            """
            TogetherException APIError APIConnectionError AttributeError AuthenticationError
            DownloadError FileTypeError InstanceError InvalidRequestError JSONError
            RateLimitError ResponseError ServiceUnavailableError Timeout
            """,
        ),
        *_of("together.utils.files", "InvalidFileFormatError"),
    ),
    "`together_ai`": _of("together_ai.errors", "TogetherAIError AuthenticationError"),
    "httpx": _of(
        "httpx",
        """
        HTTPError HTTPStatusError RequestError TransportError TimeoutException
        ConnectTimeout ReadTimeout WriteTimeout PoolTimeout NetworkError ConnectError
        ReadError WriteError CloseError ProtocolError LocalProtocolError
        RemoteProtocolError ProxyError UnsupportedProtocol DecodingError TooManyRedirects
        InvalidURL CookieConflict StreamError StreamConsumed StreamClosed ResponseNotRead
        RequestNotRead
        """,
    ),
    "requests and aiohttp, which 1.x sends with": (
        *_of(
            "requests.exceptions",
            """
            RequestException HTTPError ConnectionError ProxyError SSLError Timeout
            ConnectTimeout ReadTimeout TooManyRedirects InvalidURL InvalidHeader
            ChunkedEncodingError ContentDecodingError JSONDecodeError
            """,
        ),
        *_of(
            "aiohttp.client_exceptions",
            """
            ClientError ClientConnectionError ClientConnectorError ClientOSError
            ClientPayloadError ClientResponseError ContentTypeError InvalidURL
            ServerConnectionError ServerDisconnectedError ServerTimeoutError TooManyRedirects
            """,
        ),
    ),
    "websockets": _of(
        "websockets.exceptions",
        """
        WebSocketException ConnectionClosed ConnectionClosedOK ConnectionClosedError
        InvalidHandshake InvalidStatus InvalidMessage InvalidURI
        """,
    ),
    "Python": (
        *_of("asyncio.exceptions", "CancelledError"),
        *_of("json.decoder", "JSONDecodeError"),
        *_of("pydantic_core", "ValidationError"),
        *sorted(
            name
            for name, value in vars(builtins).items()
            if isinstance(value, type)
            and issubclass(value, BaseException)
            and not issubclass(value, Warning)
            and value.__name__ == name
            and value not in (BaseException, Exception)
        ),
    ),
}
"""The list, by where the classes come from; a subclass of one counts as that one."""

_KNOWN: Final = frozenset(name for family in FAMILIES.values() for name in family)


def error_type(exc: BaseException) -> str:
    """Return the ``error.type`` of an exception: the first of its classes in the list.

    Where a call failed without an exception (1.x hands some errors on as data), its outcome
    stands there instead.
    """
    for cls in type(exc).__mro__:
        name = public_name(cls)
        if name in _KNOWN:
            return name
    return OTHER
