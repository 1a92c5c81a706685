"""`error.type` is a label: what an application makes up is never one."""

import http.client
import ssl
import sys
from types import ModuleType

import httpx
import pytest
import together

from together_otel.clients.error_types import error_type


class Own(httpx.ReadTimeout):
    pass


class Unrelated(Exception):  # noqa: N818 - any class
    pass


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (together.TogetherError("no"), "together.TogetherError"),
        (httpx.ConnectTimeout("no"), "httpx.ConnectTimeout"),
        (ssl.SSLCertVerificationError("no"), "ssl.SSLCertVerificationError"),
        (http.client.RemoteDisconnected("no"), "http.client.RemoteDisconnected"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (Own("no"), "httpx.ReadTimeout"),
        (Unrelated("no"), "_OTHER"),
        (Exception("no"), "_OTHER"),
        (BaseException("no"), "_OTHER"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_first_class_of_a_known_package(exc, expected):
    assert error_type(exc) == expected


def test_classes_made_at_run_time_count_as_their_base():
    """However they call themselves: a program could make any number of them."""
    made = type("Made" + "Up", (ValueError,), {"__module__": "together._exceptions"})
    assert error_type(made()) == "ValueError"


def test_a_module_of_a_like_name_is_not_the_package(monkeypatch):
    """Neither is this package its SDK's, nor an application's `jsonlike` Python's `json`."""
    for name in ("jsonlike", "together_otel.made_up"):
        module = ModuleType(name)
        module.Odd = type("Odd", (OSError,), {"__module__": name})  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
        assert error_type(module.Odd()) == "OSError"


def test_classes_of_an_sdk_imported_anew(monkeypatch):
    """Clients made before keep the old classes, which are called the same."""
    old = together.TogetherError("no")
    monkeypatch.setitem(sys.modules, type(old).__module__, ModuleType(type(old).__module__))
    vars(sys.modules[type(old).__module__])["TogetherError"] = type("TogetherError", (), {})
    assert error_type(old) == "together.TogetherError"
