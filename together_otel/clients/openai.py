"""Adapter of the openai client, 1.x to 3.x, for requests to Together: another generated client."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

from together_otel.clients.addresses import is_absolute, is_together_url
from together_otel.clients.base import Adapter, GivenKey
from together_otel.clients.callers import OPENAI
from together_otel.clients.credentials import key_in
from together_otel.clients.fields import NOTHING
from together_otel.clients.generated import Generated
from together_otel.clients.readers import AZURE, maker
from together_otel.keys import is_together_host
from together_otel.plain.bounded import Bounded
from together_otel.plain.weak import WeakIdentityMap

if TYPE_CHECKING:
    from together_otel.clients.base import Answer, Args, Failure, Kwargs, Request
    from together_otel.keys import Reader

_UNRESOLVED: Final = "authentication method"
"""In the TypeError of a client with an admin key only, or whose function returned no key."""


class OpenAI(Generated):
    """Adapter of the openai client, which frameworks create as well."""

    error_modules: ClassVar[tuple[str, ...]] = ("openai",)
    reader = OPENAI

    def __init__(self) -> None:
        self._verdicts: Bounded[int, tuple[object, tuple[str, ...], bool]] = Bounded(64)
        # By HTTP client, which ``with_options()`` copies share.
        self._makers: WeakIdentityMap[Reader] = WeakIdentityMap()

    def concerns(self, args: Args, kwargs: Kwargs, hosts: tuple[str, ...]) -> bool:
        """Return whether a request goes to Together. Never raises, as requests to any host pass."""
        try:
            url = (kwargs["options"] if "options" in kwargs else args[2]).url
            if is_absolute(url):
                return is_together_host(urlsplit(url).hostname, hosts)
            base = args[0]._base_url
            # Safe: a URL is immutable, and its id cannot be reused while this cache refers to it.
            known = self._verdicts.get(id(base))
            if known is not None and known[0] is base and known[1] is hosts:
                return known[2]
            verdict = is_together_host(base.host, hosts)
            self._verdicts[id(base)] = base, hosts, verdict
        except Exception:  # noqa: BLE001 - must not reach the application
            return False
        return verdict

    def concerns_new(self, kwargs: Kwargs, hosts: tuple[str, ...]) -> bool:
        """Return whether a client to be created is for Together. Never raises."""
        try:
            given = kwargs.get("base_url")
            if not isinstance(given, str) and not hasattr(given, "host"):
                given = os.environ.get("OPENAI_BASE_URL", "")
            return is_together_url(given, hosts)
        except Exception:  # noqa: BLE001 - must not reach the application
            return False

    def reader_of(self, client: Any) -> Reader:
        return self._makers.get(getattr(client, "_client", None)) or OPENAI

    def made(self, client: Any) -> Reader:
        shared = getattr(client, "_client", None)
        if (found := self._makers.get(shared)) is None:
            found = maker(sys._getframe(1)) or (AZURE if _is_azure(client) else OPENAI)
            # Neither a client that was refused for want of a key has one, nor a property's here.
            key = (
                None if shared is None else getattr(client, "__dict__", NOTHING).get("api_key", "")
            )
            framework, own = found.find()[1], OPENAI.find()[1]
            if framework and key == own != framework:
                # For this model that framework reads openai's variable, whatever others hold.
                found = replace(OPENAI, library=found.library)
            if shared is not None:
                self._makers[shared] = found
        return found

    def given_key(self, client: Any, _args: Args, kwargs: Kwargs) -> GivenKey | None:
        argument = kwargs.get("api_key")
        if callable(argument):
            return None  # known once the function is called
        # Without an argument, it reads its own variable, whatever the framework's reader says.
        found = OPENAI.find()[1] if argument is None else argument
        given = GivenKey(*self.made(client).origin(found))
        return key_in(getattr(client, "_custom_headers", None)) or given

    def key(self, client: Any) -> object:
        # An empty key means none for a client that needs none, unless a function provides it.
        if key := client.api_key if _is_module(client) else super().key(client):
            return key
        # Neither a client with an admin key nor the module-level client needs one.
        needs_none = getattr(client, "admin_api_key", None) is not None or _is_module(client)
        return None if needs_none and not _makes_keys(client) else ""

    def set_key(self, client: Any, key: object) -> bool:
        return not _makes_keys(client) and Adapter.set_key(self, client, key)

    def renewed(self, client: Any, authorization: str) -> bool:
        # A concurrent request may have renewed it again.
        return _makes_keys(client) or Adapter.renewed(self, client, authorization)

    def override(self, client: Any, request: Request, answer: Answer) -> str | None:
        found = super().override(client, request, answer)
        # Since 3.x the Azure client has a request hook of its own.
        return "azure" if found in (None, "request_hook") and _is_azure(client) else found

    def failure(self, exc: BaseException, seen: Any, key: object) -> Failure:
        failure = super().failure(exc, seen, key)
        if isinstance(exc, TypeError) and _UNRESOLVED in str(exc):
            failure.auth, failure.outcome = "unsendable", "auth_failure"
            if key:  # from an earlier request
                failure.answer.authorization = "Bearer "
        return failure


def _is_azure(client: Any) -> bool:
    """Return whether a client sends its key in Azure's header, which Together does not read."""
    return any(cls.__name__ == "BaseAzureClient" for cls in type(client).__mro__)


def _makes_keys(client: Any) -> bool:
    """Return whether a client calls a function, or has a property, for the key of each request."""
    fields = getattr(client, "__dict__", NOTHING)
    has_property = "api_key" not in fields and not _is_module(client)
    return has_property or callable(fields.get("_api_key_provider"))


def _is_module(client: Any) -> bool:
    """Return whether this is the module-level client, whose properties are openai's own."""
    return type(client).__name__ == "_ModuleClient"
