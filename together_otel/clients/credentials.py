"""The sources of a client's key, and the headers that replace it or contain further secrets."""

import os
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote

from together_otel.clients.base import GivenKey, Request
from together_otel.names import KEY_VARIABLE

AUTHORIZATION: Final = "authorization"

CREDENTIALS: Final = (
    *("authorization", "auth", "api-key", "api_key", "apikey", "access-key", "auth-key"),
    *("functions-key", "subscription-key", "cookie", "token", "secret", "password"),
)
"""Suffixes of the names of headers that contain secrets, in lower case."""


def first_set_key(argument: object) -> GivenKey:
    """Return the key as SDK 2.x and 3.x resolve it: the argument, then the variable."""
    if argument is not None:
        return GivenKey(argument, "argument")
    value = os.environ.get(KEY_VARIABLE)
    return GivenKey(value, "none" if value is None else "environment")


def first_nonempty_key(argument: object) -> GivenKey:
    """Return the key as SDK 1.x resolves it: the first that is not empty.

    If all are empty, an empty string that was passed is preferred to ``None``.
    """
    variable = os.environ.get(KEY_VARIABLE)
    if argument or (argument is not None and not variable):
        return GivenKey(argument, "argument")
    return GivenKey(variable, "none" if variable is None else "environment")


def authorization_in(headers: Any) -> str | None:
    """Return the Authorization header of a mapping, in any case; ``None`` if there is none.

    A value that is not a string, such as the SDK's ``Omit``, is returned as an empty string.
    """
    if not headers:
        return None
    for name, value in headers.items():
        if isinstance(name, str) and name.lower() == AUTHORIZATION:
            return value if isinstance(value, str) else ""
    return None


def key_in(headers: Any) -> GivenKey | None:
    """Return the key by which headers replace a client's key, if they do."""
    replaced = authorization_in(headers)
    return None if replaced is None else GivenKey(replaced.removeprefix("Bearer "), "header")


def replace_key(request: Request, headers: Any, by: str | None = None) -> None:
    """Add the secrets of headers, which may replace the client's key, to a request.

    ``by`` is the option of the call that set them, ``None`` for headers of the client.
    """
    # httpx sends the last of two spellings: a lower-case one loses to the client's own.
    if authorization_in(headers) is not None:
        request.override = request.override or by
    request.further_keys += tuple(secrets_in(headers))


def secrets_in(headers: Any) -> Iterator[str]:
    """Yield the keys, tokens and passwords in headers, including Authorization."""
    for name, value in (headers or {}).items():
        if isinstance(name, str) and name.lower().endswith(CREDENTIALS):
            if isinstance(value, bytes):
                value = value.decode("latin-1")  # noqa: PLW2901 - as HTTP reads it
            if isinstance(value, str):
                yield from secrets_of(value)


def secrets_of(credentials: str) -> Iterator[str]:
    """Yield the secrets in the value of a header: the part after the scheme, if there is one.

    For a user name and password in base64, yield the decoded password as well.
    """
    scheme, _, rest = credentials.strip().partition(" ")
    if scheme.lower() == "bearer" and not rest:
        return
    if not (rest and scheme.isalpha()):
        rest = credentials
    yield rest
    if scheme.lower() == "basic":
        with suppress(ValueError):
            yield from passwords_in(b64decode(rest).decode("utf-8", "replace"))


def passwords_in(userinfo: str) -> Iterator[str]:
    """Yield the password of ``user:password``, or the user name alone, as written and decoded."""
    user, _, password = userinfo.partition(":")
    if secret := password or user:
        yield from {secret, unquote(secret)}
