"""What an exception means, and what in an HTTP answer tells whose it is."""

import asyncio
import concurrent.futures
import socket
import ssl
import sys
from types import SimpleNamespace
from urllib.error import URLError

import aiohttp
import gevent
import gevent.timeout
import greenlet
import httpx
import pytest
import requests
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from together_otel.clients.answers import answer_of, note_origin, redirected_from
from together_otel.clients.base import Answer
from together_otel.clients.failures import outcome_of, outcome_of_status
from together_otel.clients.generated import Generated
from together_otel.clients.in_house import InHouse
from together_otel.clients.sent import redirects_at_work

ASKED = "https://api.together.xyz/v1/chat/completions"
SENT = {"Authorization": "Bearer made-up"}


def within(frames):
    """Return what redirects are found by a function with a histogram of its own, called so deeply."""
    hist = [1, 2]
    return within(frames - 1) if frames else (redirects_at_work(sys._getframe()), hist)[0]


def test_a_variable_of_the_application_is_no_redirect():
    assert within(50) is None


LINK = {"error": {"message": "See https://api.together.ai/settings/api-keys", "code": "x"}}


@pytest.mark.parametrize(
    ("exc", "outcome"),
    [
        (asyncio.CancelledError(), "cancelled"),
        (concurrent.futures.CancelledError(), "cancelled"),
        # trio lets nobody make one.
        (type("Cancelled", (BaseException,), {"__module__": "trio"})(), "cancelled"),
        (greenlet.GreenletExit(), "cancelled"),
        (gevent.Timeout(1), "timeout"),
        (KeyboardInterrupt(), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (type("Shutdown", (BaseException,), {"__module__": "dramatiq"})(), "cancelled"),
        (TimeoutError(), "timeout"),
        (ConnectionResetError(), "connection_error"),
        (URLError(socket.gaierror(-2, "Name or service not known")), "connection_error"),
        (URLError(ssl.SSLError("wrong version number")), "connection_error"),
        (URLError(TimeoutError()), "timeout"),
        (LookupError(), "client_error"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_outcome(exc, outcome):
    """A call that is cancelled is, whichever library cancels."""
    assert outcome_of(exc, None) == outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "success"),
        (302, "success"),
        (400, "client_error"),
        (402, "payment_required"),
        (403, "client_error"),
        (408, "timeout"),
        (429, "rate_limited"),
        (500, "server_error"),
        (503, "server_error"),
    ],
)
def test_outcome_of_status(status, outcome):
    assert outcome_of_status(status) == outcome


def of_httpx(body):
    request = httpx.Request("POST", ASKED, headers=SENT)
    response = httpx.Response(401, content=body, headers={"x-request-id": "1"}, request=request)
    return httpx.HTTPStatusError("401", request=request, response=response)


def of_requests(body):
    response = requests.Response()
    response.status_code, response._content = 401, body
    response.headers["x-request-id"] = "1"
    response.request = requests.Request("POST", ASKED, headers=SENT).prepare()
    response.url = ASKED
    return requests.HTTPError("401", response=response)


def of_aiohttp(_body):
    asked = aiohttp.RequestInfo(URL(ASKED), "POST", CIMultiDictProxy(CIMultiDict(SENT)), URL(ASKED))
    said = CIMultiDictProxy(CIMultiDict({"x-request-id": "1"}))
    return aiohttp.ClientResponseError(asked, (), status=401, message="no", headers=said)


class OwnError(Exception):
    pass


def let_through(exc):
    raise exc


def raised_from(exc):
    raise OwnError from exc


def raised_while_handled(exc):
    try:
        let_through(exc)
    except Exception:  # noqa: BLE001 - of any library
        raise OwnError  # noqa: B904 - as many clients do


def raised_in_its_place(exc):
    try:
        let_through(exc)
    except Exception:  # noqa: BLE001 - of any library
        raise OwnError from None


def raised_in_a_group(exc):
    group = OwnError()
    group.exceptions = (LookupError(), exc)  # as of an ExceptionGroup, which Python 3.10 has not
    raise group


@pytest.mark.parametrize(
    "how", [let_through, raised_from, raised_while_handled, raised_in_its_place, raised_in_a_group]
)
@pytest.mark.parametrize("library", [of_httpx, of_requests, of_aiohttp])
def test_raise_for_status_of_an_in_house_client(library, how):
    """A 401 is an authentication failure, whichever library's own error it comes as."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each way raises another
        how(library(b"{}"))
    failure = InHouse().failure(caught.value, None, "made-up")

    assert (failure.outcome, failure.auth, failure.sent) == ("auth_failure", "refused", True)
    answer = failure.answer
    assert (answer.status_code, answer.request_id) == (401, "1")
    assert (answer.host, answer.port) == ("api.together.xyz", 443)
    assert answer.authorization == SENT["Authorization"]
    assert answer.from_together is False


def failure_of(exc):
    """Return what a wrapper says of an exception that passes it."""
    try:
        let_through(exc)
    except OwnError as passing:
        return InHouse().failure(passing, None, "made-up")


def test_refusal_that_the_caller_was_handling_is_not_this_call():
    try:
        let_through(of_httpx(b"{}"))
    except httpx.HTTPStatusError:
        assert failure_of(OwnError()).outcome == "client_error"


class Unset:
    def __get__(self, *_):
        raise RuntimeError("not set")

    def __repr__(self):
        return "unset"  # an address would tell each of two processes another test's name


@pytest.mark.parametrize(
    ("fields", "auth"),
    [
        ({"status_code": 401}, "refused"),
        ({"status_code": "401", "response": Unset()}, "refused"),
        ({"status": 401}, "refused"),
        ({"http_status": 401}, "refused"),
        ({"code": 401}, "refused"),
        ({"response": SimpleNamespace(status=401)}, "refused"),
        ({"resp": SimpleNamespace(status=401)}, "refused"),
        ({"resp": SimpleNamespace(status="200 OK"), "status": 401}, "refused"),
        ({"code": "invalid_api_key"}, "refused"),
        ({"status_code": 400, "body": LINK | {"error": {"code": "missing_api_key"}}}, "refused"),
        ({"code": 503}, None),
        ({"status_code": Unset(), "code": "ENOENT"}, None),
    ],
    ids=str,
)
def test_in_house_error_by_its_attributes(fields, auth):
    """An error says by an attribute of its own what happened; a property may fail."""
    exc = type("Own", (Exception,), fields)()
    assert InHouse().failure(exc, None, "made-up").auth == auth


@pytest.mark.parametrize("status", [200, 401, 500])
def test_in_house_client_that_returns_the_response(status):
    exc = of_httpx(b"{}")
    exc.response.status_code = status
    failure = InHouse().failure_in(exc.response)
    outcome = {401: "auth_failure", 500: "server_error"}.get(status)
    assert (failure and failure.outcome) == outcome


def test_in_house_error_that_hides_its_answer():
    """What was not seen is no evidence against anybody, nor is what was not known to be sent."""

    class AuthenticationError(Exception):
        pass

    failure = InHouse().failure(AuthenticationError("no"), None, "made-up")
    assert (failure.auth, failure.sent) == ("refused", False)
    assert (failure.answer.status_code, failure.answer.from_together) == (401, None)


@pytest.mark.parametrize("odd", [object(), "text", requests.Response()])
def test_in_house_error_with_an_odd_response(odd):
    """An attribute of that name may hold anything."""
    exc = OwnError()
    exc.response = odd  # type: ignore[attr-defined]
    assert InHouse().failure(exc, None, "made-up").outcome == "client_error"


@pytest.mark.parametrize(
    ("headers", "body", "from_together", "sign_in"),
    [
        ({"x-together-traceid": "1"}, None, True, False),
        ({"X-Together-Whatever": "1", "content-type": "text/html"}, b"<html>", True, True),
        ({}, LINK, True, False),
        ({}, b"See https:\\/\\/docs.together.xyz\\/keys", True, False),
        ({}, b"See https://TOGETHER.AI", True, False),
        ({}, b"See https://nottogether.ai and https://together.ai.example.com", False, False),
        ({}, {"error": {"message": "no", "type": "t", "code": "invalid_api_key"}}, False, False),
        ({"content-type": "text/html"}, b"Blocked: https://api.together.xyz/v1", False, True),
        ({"www-authenticate": "Basic"}, b"", False, True),
        ({"www-authenticate": "Bearer"}, LINK, True, False),
        ({}, None, False, False),
    ],
)
def test_whose_an_answer_is(headers, body, from_together, sign_in):
    """The format of an error proves nothing; a proxy's page may repeat the URL that was asked."""
    answer = Answer()
    note_origin(answer, httpx.Headers(headers), body)
    assert (answer.from_together, answer.sign_in) == (from_together, sign_in)


def test_end_of_a_large_body_is_not_searched():
    answer = Answer()
    note_origin(answer, {}, b" " * 100_000 + b"https://together.ai")
    assert answer.from_together is False


def test_headers_that_are_kept_in_another_way():
    """What httpx has for everybody will do where it keeps its headers otherwise one day."""

    class Headers:
        def __init__(self, **given):
            self.raw = [(name.encode(), value.encode()) for name, value in given.items()]

    sent = SimpleNamespace(url=httpx.URL(ASKED), headers=Headers(Authorization="Bearer made-up"))
    response = SimpleNamespace(request=sent, status_code=200, headers=Headers(), history=[])
    answer = Generated().answer(response)
    assert (answer.authorization, answer.host) == ("Bearer made-up", "api.together.xyz")


@pytest.mark.parametrize(("code", "status"), [(429, 429), ("503", 503), (23505, None), (1, None)])
def test_a_code_that_is_no_status(code, status):
    """Of a database, say, which an in-house client asks as well."""
    failure = InHouse().failure(type("Error", (Exception,), {"code": code})(), None, "made-up")
    assert failure.answer.status_code == status
    assert (
        failure.outcome == {429: "rate_limited", 503: "server_error", None: "client_error"}[status]
    )


def redirected(**first):
    asked = httpx.Request("POST", "https://a:made-up@api.together.xyz:8443/v1", headers=first)
    last = httpx.Request("POST", "https://elsewhere.example/v1")
    moved = httpx.Response(307, request=asked)
    return httpx.Response(401, request=last, history=[moved])


def test_redirect_that_lost_the_key():
    """The host first asked is told, and neither user nor password in front of it."""
    answer = answer_of(redirected(**SENT))
    assert answer.host == "elsewhere.example"
    assert answer.redirected_from == "api.together.xyz:8443"


def test_redirect_that_lost_nothing():
    """Without a key at first, or with one at last, the redirect is not what went wrong."""
    assert redirected_from(redirected().history, None) is None
    assert redirected_from(redirected(**SENT).history, "Bearer other") is None
