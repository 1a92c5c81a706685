"""Where clients take their key from, and which headers replace it, or send others beside it."""

import os
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote

from together_otel.clients.base import GivenKey, Request
from together_otel.names import KEY_VARIABLE

AUTHORIZATION: Final = "authorization"

CREDENTIALS: Final = ("authorization", "api-key", "api_key", "cookie", "token", "secret")
"""Ends of the names of headers that hold keys and the like, in small letters."""


def first_set_key(argument: object) -> GivenKey:
    """Return the key as 2.x and 3.x resolve it: the argument, then the variable."""
    if argument is not None:
        return GivenKey(argument, "argument")
    value = os.environ.get(KEY_VARIABLE)
    return GivenKey(value, "none" if value is None else "environment")


def first_nonempty_key(argument: object) -> GivenKey:
    """Return the key as 1.x resolves it: the first that is not empty wins.

    When none is, what the caller did give (an empty string) says more than ``None``.
    """
    variable = os.environ.get(KEY_VARIABLE)
    if argument or (argument is not None and not variable):
        return GivenKey(argument, "argument")
    return GivenKey(variable, "none" if variable is None else "environment")


def authorization_in(headers: Any) -> str | None:
    """Return the Authorization header of a mapping of any case; ``None`` if there is none.

    Values that are not text (the SDK's ``Omit``) come back as an empty string.
    """
    if not headers:
        return None
    for name, value in headers.items():
        if isinstance(name, str) and name.lower() == AUTHORIZATION:
            return value if isinstance(value, str) else ""
    return None


def key_in(headers: Any) -> GivenKey | None:
    """Return the key that headers send in place of a client's, if they do."""
    replaced = authorization_in(headers)
    return None if replaced is None else GivenKey(replaced.removeprefix("Bearer "), "header")


def replace_key(request: Request, headers: Any, by: str | None = None) -> None:
    """Note in a request that headers may send another key in place of the client's.

    Args:
        request: what is described.
        headers: of the call or the client.
        by: the option of this call that they come from.
    """
    # httpx keeps the last of two spellings: a lower-case one loses to the client's own.
    if authorization_in(headers) is not None:
        request.override = request.override or by
    request.further_keys += tuple(secrets_in(headers))


def secrets_in(headers: Any) -> Iterator[str]:
    """Yield the keys, tokens and passwords of headers, the Authorization among them."""
    for name, value in (headers or {}).items():
        if isinstance(name, str) and name.lower().endswith(CREDENTIALS):
            if isinstance(value, bytes):
                value = value.decode("latin-1")  # noqa: PLW2901 - as HTTP reads it
            if isinstance(value, str):
                yield from secrets_of(value)


def secrets_of(credentials: str) -> Iterator[str]:
    """Yield what is secret of the value of such a header: what follows the scheme, if there is one.

    Of a user name and password, which come in base64, the password is as well.
    """
    scheme, _, rest = credentials.strip().partition(" ")
    if not (rest and scheme.isalpha()):
        rest = credentials
    yield rest
    if scheme.lower() == "basic":
        with suppress(ValueError):
            yield from passwords_in(b64decode(rest).decode("utf-8", "replace"))


def passwords_in(userinfo: str) -> Iterator[str]:
    """Yield the secret of ``user:password``, percent-encoded or not; of one alone, that one."""
    user, _, password = userinfo.partition(":")
    if secret := password or user:
        yield from {secret, unquote(secret)}
