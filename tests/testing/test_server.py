"""The server's life, its keys and its records."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from processes import PATIENCE

from together_otel.keys.hosts import is_of_together
from together_otel.testing import behaviours
from together_otel.testing.server import TogetherServer

ROOT = Path(__file__).parents[2]


# ── life ─────────────────────────────────────────────────────────────────────────────


def test_urls_for_each_generation(server):
    assert server.base_url == server.url + "/v1"
    assert server.base_url_for("1.5.35") == server.base_url_for("2.42.0") == server.base_url
    assert server.base_url_for("3.1.1") == server.url


def test_no_url_unless_it_runs():
    server = TogetherServer()
    with pytest.raises(RuntimeError, match="not running"):
        server.url  # noqa: B018 - the property raises
    server.start()
    with pytest.raises(RuntimeError, match="is running"):
        server.start()
    server.close()
    server.close()
    with pytest.raises(RuntimeError, match="not running"):
        server.url  # noqa: B018 - the property raises


def test_a_taken_port_is_an_error(server):
    port = urlsplit(server.url).port
    assert port is not None
    other = TogetherServer(port=port)
    with pytest.raises(OSError, match="in use"):
        other.start()


def test_it_comes_back_on_the_same_port(ask):
    """An outage: close, then start again where the clients look."""
    with TogetherServer() as first:
        port = urlsplit(first.url).port or 0
        assert ask(first).status == 200
    second = TogetherServer(port=port)
    for _ in range(2):
        with second:
            assert ask(second).status == 200


def test_close_leaves_no_thread_and_no_connection_behind():
    """Idle keep-alive connections and held requests included; the latter get no answer."""
    before = set(threading.enumerate())
    server = TogetherServer().start()
    server.always(behaviours.slow(600))
    address = server.url.removeprefix("http://")
    with contextlib.ExitStack() as stack:
        idle, held = (
            stack.enter_context(contextlib.closing(http.client.HTTPConnection(address)))
            for _ in range(2)
        )
        idle.connect()
        held.request("POST", "/v1/chat/completions", b"{}")
        server.wait_for(1)
        server.close()
        with pytest.raises(http.client.RemoteDisconnected):
            held.getresponse()
    assert set(threading.enumerate()) <= before


def test_one_connection_serves_many_requests(server):
    with contextlib.closing(http.client.HTTPConnection(server.url.removeprefix("http://"))) as line:
        sockets = set()
        for _ in range(3):
            line.request("POST", "/v1/chat/completions", b'{"stream": true}')
            line.getresponse().read()
            sockets.add(line.sock)
        assert len(sockets) == 1
    assert len(server.requests) == 3


def test_a_client_that_goes_away_is_no_news(server, capfd):
    server.script(behaviours.slow(600))
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port)) as line:
        line.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
        server.wait_for(1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.release()
    server.close()
    assert capfd.readouterr() == ("", "")


def test_its_own_faults_are_printed(server, ask, capfd):
    def broken(exchange):
        raise ZeroDivisionError(exchange.request.path)

    server.script(broken)
    with pytest.raises(http.client.RemoteDisconnected):
        ask(server)
    server.close()
    assert "ZeroDivisionError: /v1/chat/completions" in capfd.readouterr().err


def test_a_chunked_body_is_read(server):
    """To its end, so that the connection can be used again."""
    with contextlib.closing(http.client.HTTPConnection(server.url.removeprefix("http://"))) as line:
        for _ in range(2):
            headers = {"Content-Type": "application/json"}
            line.request("POST", "/v1/rerank", iter([b'{"model":', b' "m"}']), headers)
            line.getresponse().read()
    assert [request.model for request in server.requests] == ["m", "m"]


# ── keys ─────────────────────────────────────────────────────────────────────────────


def test_only_listed_keys_are_accepted(key, ask):
    with TogetherServer(keys={key}) as server:
        assert ask(server).status == 200
        refusal = ask(server, key + "2")
        assert [request.authorized for request in server.requests] == [True, False]
    assert refusal.status == 401
    assert refusal.json == {
        "error": {
            "message": "Invalid API key provided. You can find your API key at "
            "https://api.together.xyz/settings/api-keys.",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_api_key",
        }
    }


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer "])
def test_no_key_is_a_missing_key(server, ask, authorization):
    refusal = ask(server, None, authorization=authorization)
    assert (refusal.status, refusal.json["error"]["code"]) == (401, "missing_api_key")
    assert refusal.json["error"]["message"].startswith("Missing API key. You need to provide")


@pytest.mark.parametrize("shape", ["'{}'", " {}", "{} ", "Bearer {}", "{}\t", "é{}"])
def test_an_ill_formed_key_is_refused(server, ask, key, shape):
    refusal = ask(server, shape.format(key))
    assert (refusal.status, refusal.json["error"]["code"]) == (401, "invalid_api_key")


def test_revoke_and_accept(server, ask, key):
    """A server that takes any key refuses the revoked one alone, until it is accepted again."""
    server.revoke(key)
    assert (ask(server).status, ask(server, key + "2").status) == (401, 200)
    server.accept(key)
    assert ask(server).status == 200


def test_accept_adds_to_a_list(key, ask):
    with TogetherServer(keys={"other"}) as server:
        assert ask(server).status == 401
        server.accept(key)
        assert ask(server).status == 200


def test_revoke_after_counts_accepted_requests(server, ask, key):
    """A scripted 429 uses up nothing."""
    server.revoke_after(key, 2)
    server.script(behaviours.usual(), behaviours.rate_limited())
    assert [ask(server).status for _ in range(4)] == [200, 429, 200, 401]
    assert [request.authorized for request in server.requests] == [True, True, True, False]


def test_the_sdk_sees_a_revocation(server, client, key, refused):
    server.revoke_after(key, 1)
    client.embeddings.create(model="stand-in/model", input="Hello")
    with pytest.raises(refused, match="Invalid API key provided"):
        client.embeddings.create(model="stand-in/model", input="Hello")


# ── records ──────────────────────────────────────────────────────────────────────────


def test_a_request_is_recorded_without_showing_its_key(server, ask, key):
    ask(server, path="/v1/rerank?x=1", body={"model": "m", "query": "q", "documents": []})
    (request,) = server.wait_for(1)
    assert (request.number, request.method, request.path) == (1, "POST", "/v1/rerank?x=1")
    assert (request.model, request.retry, request.key) == ("m", 0, key)
    assert request.fields["query"] == "q"
    assert request.headers["authorization"] == request.authorization == f"Bearer {key}"
    assert key not in repr(request)


def test_house_headers(server, ask):
    headers = ask(server).headers
    assert (headers["x-request-id"], headers["x-together-traceid"]) == ("req-1", "0" * 31 + "1")
    assert headers["x-ratelimit-remaining"] == "599"


@pytest.mark.parametrize("form", ["text", "html", "error_text", "message"])
def test_a_refusal_in_other_words_is_not_togethers(server, ask, form):
    """It stands for a proxy's, in which nothing is Together's."""
    server.always(behaviours.refuse(form))
    answer = ask(server)
    assert not is_of_together(answer.headers, answer.body.decode())


def test_a_lost_key(server, ask):
    """A proxy before Together has removed the header, and Together says so."""
    server.always(behaviours.lose_key())
    answer = ask(server)
    assert (answer.status, answer.json["error"]["code"]) == (401, "missing_api_key")
    assert is_of_together(answer.headers, "")


def test_wait_for_gives_up(server):
    with pytest.raises(TimeoutError, match="0 of 1 requests"):
        server.wait_for(1, timeout=0.01)


# ── orders from another process ──────────────────────────────────────────────────────


def test_orders_over_http_are_not_recorded(server, ask, key):
    order = "/_control/"
    assert ask(server, None, path=order + "revoke", body={"key": key}).status == 200
    assert ask(server).status == 401
    assert ask(server, None, path=order + "accept", body={"key": key}).status == 200
    assert ask(server).status == 200
    limit = {"key": key, "after": 1}
    assert ask(server, None, path=order + "revoke_after", body=limit).status == 200
    assert [ask(server).status, ask(server).status] == [200, 401]
    assert ask(server, None, path=order + "accept", body={}).status == 400
    assert len(server.requests) == 4


@contextlib.contextmanager
def _program(*arguments):
    command = [sys.executable, "-m", "together_otel.testing", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,  # as under nohup, systemd or Docker
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        yield program


def _status(url, key):
    with contextlib.closing(http.client.HTTPConnection(urlsplit(url).netloc)) as line:
        line.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
        return line.getresponse().status


@pytest.mark.parametrize("end", ["SIGTERM", "SIGINT"])
def test_the_program_prints_its_url_and_ends_quietly(end, key):
    with _program("--port", "0") as program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        status = _status(url, key)
        program.send_signal(getattr(signal, end))
        out, err = program.communicate(timeout=PATIENCE)
    assert status == 200
    assert (out, err, program.returncode) == ("", "", 0)


def test_the_programs_key_file_is_read_for_each_request(tmp_path, key):
    """A line removed revokes its key, a line added accepts it, no file accepts none."""
    keys = tmp_path / "keys"
    keys.write_text(f"another\n{key}\n")
    with _program("--key-file", str(keys)) as program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        listed = (_status(url, key), _status(url, key + "2"))
        keys.write_text("another\n")
        removed = (_status(url, key), _status(url, "another"))
        keys.write_text("")
        emptied = _status(url, "another")
        keys.unlink()
        gone = _status(url, "another")
        keys.write_text(key)
        added = _status(url, key)
        program.terminate()
    assert listed == (200, 401)
    assert removed == (401, 200)
    assert (emptied, gone, added) == (401, 401, 200)


def test_a_port_that_is_taken(server):
    port = server.url.rpartition(":")[2]
    with _program("--port", port) as program:
        out, err = program.communicate(timeout=PATIENCE)
    assert (out, program.returncode) == ("", 2)
    assert f"port {port} cannot be used: Address already in use" in err


def test_a_port_that_there_cannot_be():
    with _program("--port", "99999") as program:
        out, err = program.communicate(timeout=20)
    assert (out, program.returncode) == ("", 2)
    assert err.endswith("port 99999 cannot be used: expected 0 to 65535\n")


def test_a_key_file_must_be_there_at_the_start(tmp_path):
    """A path mistyped would otherwise refuse every key."""
    with _program("--key-file", str(tmp_path / "none")) as program:
        out, err = program.communicate(timeout=PATIENCE)
    assert (out, program.returncode) == ("", 2)
    assert "no such file" in err
