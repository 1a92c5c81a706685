"""What holds of a request by an HTTP library as of any call: where it is, and what is left of it."""

import gc
import sys
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType

import httpx
import pytest
import requests
from calling import leaks
from frames import shown_by
from opentelemetry.instrumentation.utils import suppress_instrumentation
from requests.adapters import HTTPAdapter
from test_requests import CHAT, FAILURES, REQUESTS, STREAM, bearer, only_span
from urllib3.util import Retry
from wire_cases import OTHER

from together_otel import TogetherInstrumentor
from together_otel.testing import behaviours


def test_suppressed(library, base, key, telemetry):
    with suppress_instrumentation():
        got = library.ask(f"{base}/chat/completions", CHAT, headers=bearer(key))
    assert got.status == 200
    assert telemetry.spans() == []
    assert not telemetry.counter(REQUESTS)


def test_off_again(library, base, key, telemetry):
    TogetherInstrumentor().uninstrument()
    library.ask(f"{base}/chat/completions", CHAT, headers=bearer(key))
    assert telemetry.spans() == []


def test_a_gateway_of_ones_own(library, elsewhere, key, telemetry):
    """A host that TOGETHER_OTEL_HOSTS names is Together's."""
    TogetherInstrumentor().uninstrument()
    TogetherInstrumentor().instrument(
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
        hosts=["api.example.com"],
    )
    library.ask(f"{elsewhere}/chat/completions", CHAT, headers=bearer(key))
    assert only_span(telemetry)["attributes"]["server.address"] == "api.example.com"


@pytest.mark.parametrize("hides", ["an error of its own", "nothing returned"])
def test_an_in_house_client_that_hides_a_refusal(hides, library, base, telemetry, monkeypatch):
    """Its request is reported, as it says what its call does not."""

    class TogetherAI:
        def chat(self):
            headers = bearer(OTHER)
            got = library.ask(f"{base}/chat/completions", CHAT, headers=headers)
            if got.status != 200 and hides == "an error of its own":
                raise RuntimeError("no answer")

    module = ModuleType("together_ai")
    module.__spec__ = ModuleSpec("together_ai", None)
    module.TogetherAI = TogetherAI
    monkeypatch.setitem(sys.modules, "together_ai", module)
    TogetherInstrumentor().uninstrument()
    TogetherInstrumentor().instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    with suppress(RuntimeError):
        TogetherAI().chat()
    assert telemetry.counter(FAILURES, {"together.auth.cause": "rejected"}) == 1
    assert telemetry.counter(REQUESTS) == telemetry.counter(FAILURES) == 1


@pytest.mark.parametrize("ask", ["httpx", "requests"])
def test_a_stream_that_is_dropped(ask, base, key, server, telemetry):
    """It ends when it is collected, by whoever comes next."""
    server.always(behaviours.slow(30, after=1))
    url = f"{base}/chat/completions"
    if ask == "httpx":
        client = httpx.Client()
        response = client.send(
            client.build_request("POST", url, json=STREAM, headers=bearer(key)), stream=True
        )
        next(response.iter_lines())
    else:
        client = requests.Session()
        response = client.post(url, json=STREAM, headers=bearer(key), stream=True)
        next(response.iter_lines())
    del response
    gc.collect()
    assert only_span(telemetry)["attributes"]["together.request.outcome"] == "abandoned"
    server.release()
    client.close()


@pytest.mark.parametrize("header", [f"Bearer {OTHER}\n", f"Bearer {OTHER[:-1]}é"])
def test_no_frame_of_ours_shows_the_key(library, base, telemetry, header):
    """Error trackers send the local variables of every frame."""
    seen = []
    try:
        run = getattr(
            library, f"_{library.name.rstrip('2')}_{'async' if library.is_async else 'sync'}"
        )
        options = {"json": CHAT, "headers": {"Authorization": header}}
        made = run(f"{base}/chat/completions", "whole", options)
        if library.is_async:
            import asyncio

            asyncio.run(made)
    except Exception as exc:  # noqa: BLE001 - each its own
        seen = shown_by(exc)
    assert telemetry.counter(FAILURES) == 1
    assert leaks(str(seen), header) == []


def test_what_urllib3_tries_again(base, key, server, telemetry):
    """Requests' own retries are the attempts of one call."""
    server.script(behaviours.server_error(503, 0), behaviours.server_error(503, 0))
    with requests.Session() as session:
        again = Retry(2, status_forcelist=[503], allowed_methods=None, backoff_factor=0)
        session.mount("http://", HTTPAdapter(max_retries=again))
        answer = session.post(f"{base}/chat/completions", json=CHAT, headers=bearer(key))
    assert answer.status_code == 200
    assert only_span(telemetry)["attributes"]["http.request.resend_count"] == 2
    assert telemetry.counter("together.client.retries") == 2
    assert telemetry.value(REQUESTS, together_request_outcome="success") == 1


def test_a_netrc_that_replaces_the_key(base, key, telemetry, tmp_path, monkeypatch):
    """Requests takes what a file has for the host in place of the header that it was given."""
    file = tmp_path / "netrc"
    file.write_text("machine api.together.xyz login a password b\n", encoding="utf-8")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    requests.post(f"{base}/chat/completions", json=CHAT, headers=bearer(key), timeout=10)
    (log,) = [one for one in telemetry.logs() if one["event_name"] == "together.client.auth_failed"]
    assert log["attributes"]["together.auth.cause"] == "overridden"
    assert "netrc" in log["attributes"]["together.auth.remedy"]


@pytest.mark.parametrize("where", ["request", "session"])
def test_an_auth_that_replaces_the_key(where, base, key, telemetry):
    """Not a file that nobody has is blamed, but the argument."""
    with requests.Session() as session:
        session.auth = ("a", "b") if where == "session" else None
        auth = ("a", "b") if where == "request" else None
        session.post(f"{base}/chat/completions", json=CHAT, headers=bearer(key), auth=auth)
    (log,) = [one for one in telemetry.logs() if one["event_name"] == "together.client.auth_failed"]
    assert log["attributes"]["together.auth.cause"] == "overridden"
    assert (
        "correct or remove the auth setting of the request"
        in log["attributes"]["together.auth.remedy"]
    )


@pytest.mark.parametrize(
    ("user", "auth", "says"),
    [("", ("a", "b"), "check default_headers"), ("a:b@", None, "password from base_url")],
)
def test_a_prepared_request_with_a_password(user, auth, says, base, telemetry):
    """Who has put it there is not known, but for a password in the URL."""
    url = f"{base.replace('//', f'//{user}')}/chat/completions"
    with requests.Session() as session:
        request = requests.Request("POST", url, json=CHAT, auth=auth)
        session.send(session.prepare_request(request))
    (log,) = [one for one in telemetry.logs() if one["event_name"] == "together.client.auth_failed"]
    assert log["attributes"]["together.auth.cause"] == "overridden"
    assert says in log["attributes"]["together.auth.remedy"]


def test_the_key_of_an_auth_object(base, key, server, telemetry):
    """What makes the header when the request is sent is as good as the header."""

    class Bearer(requests.auth.AuthBase):
        def __call__(self, request):
            request.headers["Authorization"] = f"Bearer {OTHER}"
            return request

    server.accept(key)
    requests.post(f"{base}/chat/completions", json=CHAT, auth=Bearer(), timeout=10)
    assert telemetry.value(FAILURES, together_auth_cause="rejected") == 1
