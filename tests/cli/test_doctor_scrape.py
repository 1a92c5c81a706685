"""`together-otel doctor --scrape`: what is missing from an endpoint, and why."""

import socket
import threading
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from gateways import no_such_name, over_once
from generation import made_up_key
from processes import PATIENCE
from prometheus_client import CollectorRegistry, make_wsgi_app
from serving import Quiet, answering, serving

from together_otel import TogetherInstrumentor
from together_otel.cli.doctor import endpoint
from together_otel.cli.doctor.content import USUAL
from together_otel.names import CAUSES
from together_otel.testing import TogetherServer, fetch
from together_otel.testing.ports import free_port


class _QuietWsgi(Quiet, WSGIRequestHandler):
    pass


@contextmanager
def scraped(registry):
    """A registry's endpoint."""
    made = make_server("127.0.0.1", 0, make_wsgi_app(registry), handler_class=_QuietWsgi)
    with serving(made) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def live(monkeypatch):
    """The endpoint of an instrumented process: this one."""
    monkeypatch.setenv("TOGETHER_OTEL_METRICS", "prometheus")
    registry = CollectorRegistry()
    TogetherInstrumentor().instrument(registry=registry)
    try:
        with scraped(registry) as url:
            yield url
    finally:
        TogetherInstrumentor().uninstrument()


def test_an_endpoint_before_its_first_request(live, doctor):
    """All causes are there; that there is no client is said, and is no problem."""
    found = doctor("--scrape", live)
    assert found.code == 0
    assert found.complaints == [("warning", "clients")]
    assert f"all {len(CAUSES)} causes" in found.text("failures")
    assert "Normal right after a start" in found.text("clients")
    assert "OpenMetrics" in found.text("format")


def test_an_endpoint_in_use(live, doctor):
    """Requests are counted, failures are warnings with the remedy of their cause."""
    import together  # noqa: PLC0415 - only now, so that it is patched

    key = made_up_key()
    with TogetherServer(keys=[key]) as server:
        client = together.Together(api_key=key, base_url=server.url, max_retries=0)
        message = {"role": "user", "content": "Hello"}
        client.chat.completions.create(model="a/model", messages=[message])
        server.revoke(key)
        with pytest.raises(together.AuthenticationError):
            client.chat.completions.create(model="a/model", messages=[message])
        client.close()
    found = doctor("--scrape", live + "/metrics?name=")
    assert found.code == 0
    assert found.complaints == [("warning", "failures")]
    assert "count 1 authentication failure of cause revoked" in found.text("failures")
    assert "Make a new key" in found.text("failures")
    assert "auth_failure 1, success 1" in found.text("requests")
    assert "start" in [one["about"] for one in found.findings]


# ── what is missing ──────────────────────────────────────────────────────────────────

ALL = "".join(
    f'together_client_auth_failures_total{{together_auth_cause="{cause}"}} 0\n' for cause in CAUSES
)
CLIENTS = 'together_client_key_checks_total{together_api_key_presence="present"} 1\n'
REQUESTS = 'together_client_requests_total{together_request_outcome="success"} 2\n'
COUNT = "gen_ai_client_inference_duration_seconds_count 2\n"
BUCKETS = 'gen_ai_client_inference_duration_seconds_bucket{le="0.5"} 2\n'
DURATION = COUNT + BUCKETS
KEYS = 'together_client_key_info{together_api_key_fingerprint="01234567"} 1\n'
WHOLE = ALL + CLIENTS + REQUESTS + DURATION + KEYS
TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def look(doctor):
    """Return what is found at an endpoint that answers so, or by a function of the test's own."""

    def found(send=None, *, status=200, kind=TEXT, text="", openmetrics=None):
        def answer(request):
            modern = openmetrics is not None and "openmetrics" in request.headers["Accept"]
            body = openmetrics if modern else text
            named = {"content_type": OPENMETRICS if modern else kind} if kind else {}
            request.answer(status, body.encode(), **named)

        with serving(answering(send or answer)) as server:
            return doctor("--scrape", f"http://user:word@127.0.0.1:{server.server_port}/m")

    return found


def test_nothing_is_missing(look):
    found = look(text=WHOLE)
    assert (found.code, found.complaints) == (0, [])
    assert f"5 of the {len(USUAL)} metrics" in found.text("metrics")


@pytest.mark.parametrize(
    ("text", "complaint", "said", "fix"),
    [
        (
            "python_info 1\nprocess_cpu_seconds_total 1\n",
            ("problem", "metrics"),
            "the instrumentation is not on in it",
            "PROMETHEUS_MULTIPROC_DIR",
        ),
        (
            "orders_total 1\n",
            ("problem", "metrics"),
            "It has orders_…, but not these metrics: it is another program's endpoint",
            "application's endpoint",
        ),
        (
            WHOLE.replace("failures_total", "failures"),
            ("problem", "names"),
            "together_client_auth_failures is present instead of",
            "add_metric_suffixes",
        ),
        (
            CLIENTS + REQUESTS,
            ("problem", "names"),
            "something drops it",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE to cumulative",
        ),
        (
            WHOLE.replace('"revoked"', '"reworked"'),
            ("problem", "failures"),
            "is missing for revoked:",
            "Keep it",
        ),
        (ALL + CLIENTS, ("warning", "requests"), "made no request yet", "PROMETHEUS_MULTIPROC_DIR"),
        (
            ALL + CLIENTS + REQUESTS + KEYS,
            ("problem", "requests"),
            "histograms are dropped",
            "Keep it",
        ),
        (
            WHOLE.replace(BUCKETS, BUCKETS.replace("0.5", "+Inf")),
            ("problem", "requests"),
            "has no buckets: an exponential histogram",
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION to explicit",
        ),
        (
            "\ufeff" + WHOLE,
            ("problem", "format"),
            "starts with a byte-order mark",
            "as UTF-8 without one",
        ),
        (
            ALL + CLIENTS + REQUESTS + DURATION,
            ("warning", "keys"),
            "cannot distinguish keys",
            "Unset TOGETHER_OTEL_FINGERPRINT",
        ),
        (
            WHOLE + 'together_client_telemetry_errors_total{together_telemetry_stage="end"} 3\n',
            ("warning", "errors"),
            "had 3 internal errors, at end",
            "report it",
        ),
    ],
)
def test_missing(text, complaint, said, fix, look):
    found = look(text=text)
    level, about = complaint
    assert found.complaints == [complaint]
    assert said in found.text(about)
    assert fix in found.text(about)
    assert found.code == (level == "problem")


def test_a_content_type_that_prometheus_does_not_take(look):
    for kind in ("", "application/octet-stream"):
        found = look(text=WHOLE, kind=kind)
        assert found.complaints == [("warning", "content type")]
        assert "fallback_scrape_protocol" in found.text("content type")


def test_openmetrics_that_does_not_parse(look):
    """Prometheus asks for it first, and would have nothing."""
    found = look(text=WHOLE, openmetrics=WHOLE)  # without # EOF
    assert found.complaints == [("problem", "format")]
    assert "PrometheusText0.0.4" in found.text("format")
    assert look(text=WHOLE, openmetrics=WHOLE + "# EOF\n").complaints == []


# ── what cannot be read: exit code 2 ─────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 404}, "answers HTTP 404 Not Found"),
        ({"status": 401}, "answers HTTP 401 Unauthorized"),
        (
            {"text": "<html><p>Hello</p></html>", "kind": "text/html"},
            "with text/html, which does not",
        ),
        ({"text": "", "kind": ""}, "with no content type, which does not"),
    ],
)
def test_no_exposition(answer, said, look):
    """And neither user nor password of the URL is repeated."""
    found = look(**answer)
    assert found.code == 2
    assert said in found.text("endpoint")
    assert "word" not in found.text("endpoint").replace("password", "")


def test_nobody_listens(doctor):
    found = doctor("--scrape", f"http://127.0.0.1:{free_port()}")
    assert found.code == 2
    assert "refuses the connection: nothing listens there" in found.text("endpoint")


def test_no_such_host(doctor, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    found = doctor("--scrape", "http://nowhere.invalid:9464/metrics")
    assert found.code == 2
    assert "the host name cannot be resolved" in found.text("endpoint")


def test_no_answer_in_time(doctor, monkeypatch):
    monkeypatch.setattr(endpoint, "LIMIT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = doctor("--scrape", f"http://127.0.0.1:{silent.getsockname()[1]}/metrics")
    assert found.code == 2
    assert "did not answer within 0.2 s" in found.text("endpoint")


def trickle(self, begun, gone):
    """Send a body whose parts come in time, and all of it never."""
    self.send_response(200)
    self.end_headers()
    while not gone.wait(0.05):
        self.wfile.write(b"# nothing\n")
        begun.set()


def drip(self, begun, gone):
    """Send a header without an end."""
    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not gone.wait(0.05):
        self.wfile.write(b"x")
        begun.set()


def flood(self, begun, gone):  # noqa: ARG001 - as the others
    """Send as much as anybody takes."""
    self.send_response(200)
    self.end_headers()
    while not gone.is_set():
        self.wfile.write(b"# nothing\n" * 10_000)


@pytest.mark.parametrize(
    ("send", "said"),
    [
        (trickle, "did not answer within 0.5 s"),
        (drip, "did not answer within 0.5 s"),
        (flood, "answers with more than 1 MiB"),
    ],
)
def test_an_answer_without_an_end(send, said, look, monkeypatch):
    """It is left within the limit, and what sends it is not kept."""
    monkeypatch.setattr(endpoint, "LARGEST", 1 << 20)
    monkeypatch.setattr(fetch, "LARGEST", 1 << 20)
    begun, gone = threading.Event(), threading.Event()
    if send is not flood:
        monkeypatch.setattr(endpoint, "LIMIT", 0.5)
        over_once(begun, monkeypatch)

    def answer(self):
        try:
            send(self, begun, gone)
        except OSError:
            gone.set()

    found = look(answer)
    assert found.code == 2
    assert said in found.text("endpoint")
    assert gone.wait(PATIENCE)


def test_what_takes_too_long_to_parse(look, monkeypatch):
    """As text that is made for it may; the rest of the program does not wait."""
    ended = threading.Event()
    monkeypatch.setattr(endpoint, "within", lambda _, read: fetch.within(0.01, read))
    monkeypatch.setattr(endpoint, "text_string_to_metric_families", lambda _: ended.wait(30))
    found = look(text=WHOLE)
    ended.set()
    assert found.code == 2
    assert "cannot be parsed within 300 s" in found.text("endpoint")


@pytest.mark.parametrize(
    "url",
    [
        "http://" + "a" * 70 + ".example",
        "http://a..example",
        "http://127.0.0.1:1/\u20ac",
        "localhost:9464",
        "ftp://x",
        "http://[::1",
    ],
)
def test_what_is_no_address(url, doctor):
    """A finding or an error of usage, and no traceback."""
    try:
        assert doctor("--scrape", url).code == 2
    except SystemExit as exc:
        assert exc.code == 64  # noqa: PT017 - one of both


def test_a_redirect_is_told_and_not_followed(look):
    """Least of all to another scheme."""
    found = look(lambda request: request.answer(302, location="file:///etc/passwd"))
    assert found.code == 2
    assert "answers HTTP 302 Found" in found.text("endpoint")


def test_no_http(doctor):
    """A port of something else, by http and by https."""

    def serve(listener):
        for _ in range(2):
            connection, _address = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"220 mail.invalid ESMTP\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as mail:
        thread = threading.Thread(target=serve, args=(mail,))
        thread.start()
        port = mail.getsockname()[1]
        plain = doctor("--scrape", f"http://127.0.0.1:{port}/metrics")
        secure = doctor("--scrape", f"https://127.0.0.1:{port}/metrics")
        thread.join()
    assert (plain.code, secure.code) == (2, 2)
    assert "does not answer with HTTP" in plain.text("endpoint")
    assert "TLS failed" in secure.text("endpoint")
