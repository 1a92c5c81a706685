"""`together-otel check --live` where nothing answers, or not within its limit."""

import socket
import threading
from types import SimpleNamespace
from unittest.mock import Mock

import httpx
import pytest
from gateways import Dripping, no_such_name, over_once
from processes import PATIENCE

from together_otel.cli.check import request as asking
from together_otel.cli.check.request import ask
from together_otel.keys import inspect_key
from together_otel.testing import TogetherServer, behaviours
from together_otel.testing.ports import free_port


def asked(key, variables, limit=10.0):
    """Ask with another limit than the command's."""
    return ask(key, inspect_key(key), variables, limit=limit)


# ── no way there ─────────────────────────────────────────────────────────────────────


def test_nothing_listens(unknown):
    port = free_port()
    found = unknown("connection_refused", TOGETHER_BASE_URL=f"http://127.0.0.1:{port}")
    assert found["live"]["detail"] == f"Nothing listens at 127.0.0.1:{port}."


def test_nothing_listens_at_an_ipv6_address(check, monkeypatch):
    """Its colons are told apart from the port's."""
    monkeypatch.setattr(socket, "create_connection", Mock(side_effect=ConnectionRefusedError))
    _, found = check(TOGETHER_BASE_URL="http://[::1]:8000")
    assert found["live"]["detail"] == "Nothing listens at [::1]:8000."


def test_no_such_name(check, unknown, monkeypatch):
    """Without TOGETHER_BASE_URL it is Together's own."""
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    found = unknown("dns_failure")
    assert found["live"]["url"] == "https://api.together.ai/v1/models"
    monkeypatch.setattr(asking, "installed_sdk", lambda: (1, 5))
    assert check()[1]["live"]["server_address"] == "api.together.xyz"


def test_no_network(unknown, monkeypatch):
    unreachable = OSError(101, "Network is unreachable")
    monkeypatch.setattr(socket, "create_connection", Mock(side_effect=unreachable))
    found = unknown("no_network")
    assert "Network is unreachable" in found["live"]["detail"]


# ── the limit ────────────────────────────────────────────────────────────────────────


def test_no_answer(key, together, monkeypatch):
    """The server would wait for ten minutes; its one request was left before that."""
    together.script(behaviours.slow(600))
    over_once(SimpleNamespace(wait=lambda _: together.wait_for(1)), monkeypatch)
    found = asked(key, {"TOGETHER_BASE_URL": together.url}, limit=PATIENCE)
    assert (found.outcome, found.status_code, found.accepted) == ("timeout", None, None)
    assert "an answer from 127.0.0.1" in found.detail
    assert len(together.requests) == 1


def test_an_answer_that_drips(key, monkeypatch):
    """No single read takes long, all of them have no end; the server is left alone then."""
    with Dripping(b"HTTP/1.1 200 OK\r\nX-Long: ") as server:
        over_once(server.drips, monkeypatch)
        found = asked(key, {"TOGETHER_BASE_URL": server.url}, limit=PATIENCE)
    assert found.outcome == "timeout"


def test_a_refusal_whose_body_drips(key, monkeypatch):
    """The status says enough."""
    begun, body = threading.Event(), asking._body
    monkeypatch.setattr(asking, "_body", lambda response: begun.set() or body(response))
    over_once(begun, monkeypatch)
    with Dripping(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 60000\r\n\r\n") as server:
        found = asked(key, {"TOGETHER_BASE_URL": server.url}, limit=PATIENCE)
    assert (found.outcome, found.status_code) == ("refused", 401)


def test_a_look_up_without_an_end(key, monkeypatch):
    """Nothing can end it; nobody waits for it, and nothing is sent when it ends."""
    ends = threading.Event()
    real = socket.getaddrinfo

    def slow(*arguments, **options):
        ends.wait(PATIENCE)
        return real(*arguments, **options)

    with TogetherServer() as server:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        found = asked(key, {"TOGETHER_BASE_URL": server.url}, limit=0.1)
        assert found.outcome == "timeout"
        assert "a connection to 127.0.0.1" in found.detail
        (thread,) = [one for one in threading.enumerate() if one.name == "together-otel-fetch"]
        ends.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert not server.requests


@pytest.mark.parametrize(
    ("variables", "step"),
    [
        ({"TOGETHER_BASE_URL": "http://{}"}, "an answer from 127.0.0.1"),
        ({"TOGETHER_BASE_URL": "https://{}"}, "TLS with 127.0.0.1"),
        ({"HTTPS_PROXY": "{}"}, "the proxy {} (HTTPS_PROXY)"),
        ({"all_proxy": "https://{}"}, "TLS with 127.0.0.1"),
        ({"ALL_PROXY": "socks5://{}"}, "the proxy {} (ALL_PROXY)"),
    ],
)
def test_the_step_that_it_waits_in(variables, step, key, monkeypatch):
    """It is told of what listens and says nothing; the request's thread ends all the same."""
    heard = threading.Event()

    over_once(heard, monkeypatch)

    def listen():
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)
            heard.set()
            while connection.recv(65_536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as silent:
        listener = threading.Thread(target=listen)
        listener.start()
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        here = {name: value.format(place) for name, value in variables.items()}
        found = asked(key, here, limit=PATIENCE)
        listener.join()  # which ends with the connection
    assert found.outcome == "timeout"
    assert (
        found.detail == f"No answer within {PATIENCE:g} s, while waiting for {step.format(place)}."
    )


def test_what_is_no_http(key):
    with Dripping(b"220 mail.example ESMTP\r\n\r\n") as server:
        assert asked(key, {"TOGETHER_BASE_URL": server.url}).outcome == "connection_lost"


def test_a_fault_of_ours_tells_no_key(unknown, key, together, monkeypatch):
    """Whatever httpx raises, its text is not told."""
    fault = ValueError(f"Invalid header value b'Bearer {key}'")
    monkeypatch.setattr(httpx.Client, "stream", Mock(side_effect=fault))
    found = unknown("unexpected_answer")
    assert "ValueError" in found["live"]["detail"]
    assert not together.requests
