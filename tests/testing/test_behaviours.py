"""What the server can be told to do, and what the SDK makes of it."""

import contextlib
import http.client
import threading

import pytest

from together_otel.testing import answers, behaviours
from together_otel.testing.server import TogetherServer

MODEL = "stand-in/model"
HELLO = [{"role": "user", "content": "Hello there"}]


def chat(client, **options):
    return client.chat.completions.create(model=MODEL, messages=HELLO, **options)


def read(stream):
    """Read a stream to its end or failure; what came is kept on the failure."""
    said = []
    try:
        # Not one list.extend(…): on a failure what came before it would be lost.
        for chunk in stream:
            said.append(chunk.choices[0].delta.content)  # noqa: PERF401 - as the comment says
    except Exception as exc:
        exc.said = said  # type: ignore[attr-defined]
        raise
    return said


# ── scripting ────────────────────────────────────────────────────────────────────────


def test_script_comes_before_the_standing_behaviour(server, ask):
    server.always(behaviours.payment_required())
    server.script(behaviours.refuse(), behaviours.usual())
    assert [ask(server).status for _ in range(3)] == [401, 200, 402]
    server.always(None)
    assert ask(server).status == 200


def test_accept_looks_at_no_key(server, ask):
    server.script(behaviours.accept())
    assert ask(server, None).status == 200
    assert not server.requests[0].authorized


# ── refusals and other errors ────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("form", "content_type", "body"),
    [
        ("text", "text/plain", b"Unauthorized"),
        ("error_text", "application/json", b'{"error": "Unauthorized"}'),
        ("message", "application/json", b'{"message": "Unauthorized"}'),
    ],
)
def test_refusals_of_other_shapes(server, ask, form, content_type, body):
    server.script(behaviours.refuse(form))
    refusal = ask(server)
    assert (refusal.status, refusal.headers["content-type"]) == (401, content_type)
    assert refusal.body == body


@pytest.mark.parametrize("form", behaviours.REFUSAL_FORMS)
def test_the_sdk_raises_on_a_refusal_of_any_shape(server, client, generation, refused, form):
    """2.x and 3.x go by the status; 1.x is at a loss when the body is not Together's."""
    server.script(behaviours.refuse(form, headers={"X-Gateway": "yes"}))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the type is what is looked at
        chat(client)
    if generation > 1 or form == "together":
        assert type(caught.value) is refused
    elif form == "html":
        assert type(caught.value).__name__ == "APIError"
    else:
        assert type(caught.value) is AssertionError


@pytest.mark.parametrize("form", behaviours.REFUSAL_FORMS)
def test_a_refusal_of_another_status(server, ask, form):
    server.script(behaviours.refuse(form, status=403))
    assert ask(server).status == 403


def test_refusal_headers(server, ask):
    server.script(behaviours.refuse(headers={"x-should-retry": "true", "X-Request-ID": "mine"}))
    headers = ask(server).headers
    assert (headers["x-should-retry"], headers["x-request-id"]) == ("true", "mine")


def test_the_key_is_echoed(server, client, key, refused):
    server.script(behaviours.echo_key())
    with pytest.raises(refused) as caught:
        chat(client)
    assert key in str(caught.value)


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (behaviours.forbidden_key(), 403, "invalid_api_key"),
        (behaviours.forbidden_key(400), 400, "invalid_api_key"),
        (behaviours.forbidden_context(), 403, None),
        (behaviours.payment_required(), 402, None),
        (behaviours.rate_limited(), 429, None),
        (behaviours.server_error(), 500, None),
        (behaviours.server_error(503), 503, None),
        (behaviours.error(404, "No such model", code="model_not_found"), 404, "model_not_found"),
    ],
)
def test_errors_have_togethers_format(server, ask, behaviour, status, code):
    server.script(behaviour)
    answer = ask(server)
    assert answer.status == status
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}
    assert answer.json["error"]["code"] == code


def test_the_sdk_tries_again_when_asked_to(server, client, generation):
    """1.x retries synchronously, 2.x and 3.x say the how-manieth attempt it is."""
    server.script(behaviours.rate_limited(), behaviours.server_error())
    if generation == 1:
        client.client.max_retries = 2
        assert chat(client).choices[0].message.content == answers.REPLY
        assert [request.retry for request in server.requests] == [0, 0, 0]
    else:
        again = client.with_options(max_retries=2)
        assert chat(again).choices[0].message.content == answers.REPLY
        assert [request.retry for request in server.requests] == [0, 1, 2]


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [
        (b"\x00", "application/octet-stream", b"\x00"),
        ("teapot", "text/plain", b"teapot"),
        ({"a": 1}, "application/json", b'{"a": 1}'),
    ],
)
def test_custom(server, ask, body, content_type, sent):
    server.script(behaviours.custom(418, body, {"X-Pot": "tea"}))
    answer = ask(server)
    assert (answer.status, answer.body, answer.headers["x-pot"]) == (418, sent, "tea")
    assert answer.headers["content-type"] == content_type


def test_custom_content_type(server, ask):
    server.script(behaviours.custom(200, "<p>", content_type="text/html"))
    assert ask(server).headers["content-type"] == "text/html"


# ── streams ──────────────────────────────────────────────────────────────────────────


def test_a_cut_stream(server, client):
    server.script(behaviours.cut_stream(after=2))
    with pytest.raises(Exception, match=r"(?i)chunked|premature|incomplete") as caught:
        read(chat(client, stream=True))
    assert caught.value.said == ["Hello ", "from "]  # type: ignore[attr-defined]


async def test_a_cut_stream_read_asynchronously(server, async_client, generation):
    server.script(behaviours.cut_stream(after=1))
    client = async_client()
    chunks = await chat(client, stream=True)
    said = [(await anext(chunks)).choices[0].delta.content]
    with pytest.raises(Exception, match=r"(?i)chunked|payload"):
        await anext(chunks)
    if generation > 1:
        await client.close()
    assert said == ["Hello "]


def test_a_whole_body_is_cut_in_the_middle(server, ask):
    server.script(behaviours.cut_stream())
    with pytest.raises(http.client.IncompleteRead):
        ask(server)


def test_an_error_frame_ends_a_stream(server, client, generation):
    """2.x and 3.x raise it, 1.x passes it on as a chunk."""
    server.script(behaviours.error_frame(after=3))
    stream = chat(client, stream=True)
    if generation == 1:
        *chunks, last = stream
        said = [chunk.choices[0].delta.content for chunk in chunks]
        error = last.error
    else:
        with pytest.raises(Exception, match="Invalid API key provided") as caught:
            read(stream)
        said, error = caught.value.said, caught.value.body  # type: ignore[attr-defined]
    assert said == ["Hello ", "from ", "a "]
    assert error["code"] == "invalid_api_key"


def test_a_stream_with_a_bad_key_is_refused_before_it_begins(server, client, key, refused):
    server.revoke(key)
    server.script(behaviours.error_frame(), behaviours.cut_stream(after=2))
    with pytest.raises(refused):
        chat(client, stream=True)


# ── time ─────────────────────────────────────────────────────────────────────────────


def test_slow_holds_a_request_until_it_is_released(server, client):
    server.script(behaviours.slow(600))
    with releasing(server):
        assert chat(client).choices[0].message.content == answers.REPLY


def test_a_slow_stream_stops_where_it_is_told_to(server, client):
    """Two words are there before anybody releases the rest."""
    server.script(behaviours.slow(600, after=2))
    words = iter(chat(client, stream=True))
    said = [next(words).choices[0].delta.content for _ in range(2)]
    server.release()
    assert "".join(said + read(words)) == answers.REPLY


def test_a_short_wait_ends_by_itself(server, ask):
    server.script(behaviours.slow(0.001))
    assert ask(server).status == 200


def test_closing_ends_a_stream_that_is_held():
    server = TogetherServer().start()
    server.script(behaviours.slow(600, after=1))
    line = http.client.HTTPConnection(server.url.removeprefix("http://"))
    with contextlib.closing(line):
        headers = {"Authorization": "Bearer any", "Content-Type": "application/json"}
        line.request("POST", "/v1/chat/completions", b'{"stream": true}', headers)
        response = line.getresponse()
        assert response.readline().startswith(b"data: ")
        server.close()
        with pytest.raises(http.client.IncompleteRead):
            response.read()


@contextlib.contextmanager
def releasing(server):
    """Release a request as soon as it has arrived, from another thread."""

    def release():
        server.wait_for(1)
        server.release()

    thread = threading.Thread(target=release)
    thread.start()
    yield
    thread.join()


# ── the way there ────────────────────────────────────────────────────────────────────


def test_a_redirect_to_another_origin_loses_the_key(server, client, refused):
    """Every HTTP client drops the Authorization header there, and Together misses a key."""
    with TogetherServer() as other:
        server.script(behaviours.redirect(other.url))
        with pytest.raises(refused, match="Missing API key"):
            chat(client)
        (lost,) = other.requests
    assert (lost.path, lost.model, lost.authorization) == ("/v1/chat/completions", MODEL, None)
    assert server.requests[0].authorized


async def test_a_redirect_followed_asynchronously(server, async_client, generation, refused):
    client = async_client()
    with TogetherServer() as other:
        server.script(behaviours.redirect(other.url))
        with pytest.raises(refused, match="Missing API key"):
            await chat(client)
        if generation > 1:
            await client.close()
        assert other.requests[0].authorization is None


def test_a_redirect_to_a_path_keeps_the_key(server, client):
    server.script(behaviours.redirect("/v1/chat/completions", 308))
    assert chat(client).choices[0].message.content == answers.REPLY
    assert [request.authorized for request in server.requests] == [True, True]


def test_a_dropped_connection(server, client):
    server.script(behaviours.drop_connection())
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the generations share no type
        chat(client)
    assert type(caught.value).__name__ == "APIConnectionError"
    assert chat(client).choices[0].message.content == answers.REPLY
