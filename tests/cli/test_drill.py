"""`together-otel drill`: what it leaves where, that responders know it, and how it ends."""

import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from contextlib import contextmanager
from unittest.mock import Mock

import pytest
import yaml
from drill_runs import NOWHERE, command, drilled, environment
from generation import GENERATION
from processes import PATIENCE
from running import eventually, get, total
from serving import answering, serving

from together_otel.cli import main
from together_otel.cli.doctor import installation
from together_otel.cli.doctor.switches import settings_of
from together_otel.cli.drill import processes, program
from together_otel.cli.drill.announcement import Announcement
from together_otel.cli.drill.environment import environment as drills_own
from together_otel.cli.drill.environment import port_of
from together_otel.cli.drill.runner import Runner
from together_otel.cli.drill.scenarios import Scenario
from together_otel.names import AUTH_FAILURES
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.ports import free_port

LONG = "10m"
"""Ended early, or the test fails."""


@contextmanager
def drilling(*arguments, **variables):
    """A drill that goes on until it is ended; gone after the block."""
    with subprocess.Popen(
        command("--cause", "revoked", "--duration", LONG, *arguments),
        env=environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def failures(port, cause="revoked"):
    return total(get(port, "/metrics"), AUTH_FAILURES.prometheus, together_auth_cause=cause)


# ── what is seen while it goes on, and how it ends ───────────────────────────────────


@pytest.mark.parametrize(
    ("backend", "number"), [("otel", signal.SIGINT), ("prometheus", signal.SIGTERM)]
)
def test_scraped_and_ended_early(backend, number):
    """It is put right, counted, and nobody is left behind."""
    port = free_port()
    settings = {
        "otel": {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)},
        "prometheus": {"TOGETHER_OTEL_PROMETHEUS_PORT": str(port)},
    }
    with drilling(**settings[backend]) as running:
        eventually(lambda: failures(port) >= 1)
        running.send_signal(number)
        said, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, said
    assert "Working again." in said
    assert "All failures were counted, each with its cause." in said
    assert "together.client.drill_ended" in said
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_service_of_a_killed_drill_goes_too(tmp_path):
    """Whoever kills it without a word leaves nobody behind either."""
    port = free_port()
    # Its folder is left, as nobody is there to take it away.
    with drilling(TOGETHER_OTEL_PROMETHEUS_PORT=str(port), TMPDIR=str(tmp_path)) as running:
        eventually(lambda: failures(port) >= 1)
        running.kill()
        eventually(lambda: get(port, "/metrics") is None)


def test_two_signals_end_it_at_once():
    """The exporter hangs, and somebody is impatient."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with drilling(
            OTEL_METRICS_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        ) as running:
            assert running.stdout
            said = iter(running.stdout.readline, "")
            assert any("together.client.auth_failed" in line for line in said)
            running.send_signal(signal.SIGINT)
            assert any("together.client.drill_ended" in line for line in said)
            running.send_signal(signal.SIGINT)
            assert running.wait(PATIENCE) == 1
            assert "Ended immediately" in running.stdout.read()


def announced(**variables):
    """Return what is said before a drill begins, without one."""
    environ = {**NOWHERE, **variables}
    settings, _ = settings_of(environ)
    port, note = port_of(environ, settings, None)
    made = drills_own(environ, "revoked", port, "/nowhere")
    return "\n".join(Announcement("revoked", 0.5, settings, made, port, note).before()) + "\n"


# ── where it is seen ─────────────────────────────────────────────────────────────────


def test_a_port_that_the_application_has(monkeypatch, capsys):
    """The drill says so, and takes another; or the one that it is given."""
    metrics = b"together_client_requests_total 1\n"
    with serving(answering(lambda request: request.answer(200, metrics))) as server:
        taken = str(server.server_port)
        text = announced(TOGETHER_OTEL_PROMETHEUS_PORT=taken)
        said = re.search(
            rf"port {taken} is in use by the application, so the drill uses (\d+); see --port", text
        )
        assert said
        assert f"http://127.0.0.1:{said[1]}/metrics, until the drill ends" in text
        other = str(free_port())
        done = drilled("--port", other, TOGETHER_OTEL_PROMETHEUS_PORT=taken)
        assert f"http://127.0.0.1:{other}/metrics" in done.stdout
        monkeypatch.setenv("TOGETHER_OTEL_PROMETHEUS_PORT", taken)
        assert drill_here("--port", taken) == 64
        said = capsys.readouterr().err
        assert f"--port {taken} cannot be used (Address already in use)" in said


def test_a_port_of_another_program():
    """Of a service without a name."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = str(stranger.getsockname()[1])
        text = announced(
            OTEL_METRICS_EXPORTER="prometheus",
            OTEL_EXPORTER_PROMETHEUS_PORT=taken,
            OTEL_SERVICE_NAME="",
        )
    assert f"port {taken} is in use by another program" in text
    assert "as service together-drill." in text


def test_a_host_that_does_not_exist():
    """That its port is in use would be wrong. Each fault is one sentence."""
    host, port = "no.invalid", str(free_port())
    done = drilled(TOGETHER_OTEL_PROMETHEUS_HOST=host, TOGETHER_OTEL_PROMETHEUS_PORT=port, code=1)
    assert f"port {port} cannot be used (" in done.stdout
    assert "/metrics: the host name cannot be resolved.\n" in done.stdout
    assert "another program" not in done.stdout


def test_the_applications_folder_is_left_alone(tmp_path):
    """A scrape of the application would tell the drill's failures as its own."""
    (tmp_path / "counter_1.db").touch()
    done = drilled(PROMETHEUS_MULTIPROC_DIR=str(tmp_path), OTEL_METRICS_EXPORTER="prometheus")
    assert re.search(r"http://127.0.0.1:\d+/metrics, until the drill ends", done.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["counter_1.db"]


@pytest.mark.parametrize(
    ("group", "path"),
    [
        ("", "/metrics/job/shop-drill"),
        ("/metrics/job/night/shift/2", "/metrics/job/night-drill/shift/2"),
    ],
)
def test_a_group_of_its_own_in_the_pushgateway(group, path):
    """What is pushed to a group replaces what the application pushed there."""
    pushed = []

    def take(request):
        pushed.append((request.path, request.body().decode()))
        request.answer(200)

    with serving(answering(take)) as server:
        host = f"127.0.0.1:{server.server_port}"
        done = drilled(TOGETHER_OTEL_PUSHGATEWAY=f"http://user:word@{host}{group}")
    ((pushed_to, body),) = pushed
    assert pushed_to == path
    assert total(body, AUTH_FAILURES.prometheus, together_auth_cause="revoked") >= 1
    assert f"curl -X DELETE http://{host}{path}" in done.stdout
    assert "word" not in done.stdout + done.stderr


def test_a_gateway_that_takes_nothing():
    """Counted, and lost: that is what a drill is to find out."""
    with serving(answering(lambda request: request.body() and request.answer(503))) as server:
        done = drilled(code=1, TOGETHER_OTEL_PUSHGATEWAY=f"http://127.0.0.1:{server.server_port}")
    assert "Wrong: an exporter reports: The last counts of this process are lost" in done.stdout


def test_an_exporter_that_complains_again_and_again():
    """It is said once, and how often it was."""
    process = Mock(complaints=("It failed.", "It was late.", "It failed."))
    scenario = Scenario("a bad key", bad={"api_key": "bad"})
    runner = Runner("revoked", scenario, process, 0.01, lambda _: None)
    process.ask = lambda **bad: {"failed": "AuthenticationError" if bad else None, "why": "401"}
    process.command = lambda **_: {"counted": {"revoked": runner.outcome.failed}}
    runner.run(None, threading.Event())
    assert runner.outcome.failed
    assert runner.outcome.faults == [
        "an exporter reports, 2 times: It failed",
        "an exporter reports: It was late",
    ]


def test_what_preflight_refuses_is_announced_and_counted():
    """No request is made of it, and it is a failure all the same."""
    done = drilled(
        cause="malformed",
        TOGETHER_OTEL_PREFLIGHT="raise",
        TOGETHER_OTEL_PROMETHEUS_PORT=str(free_port()),
    )
    assert "Expected alerts: TogetherAuthFailing; as tickets, TogetherAuthFailure." in done.stdout


# ── how responders know it ───────────────────────────────────────────────────────────


def documents(text):
    """Return what console exporters wrote among other lines, such as the drill's, which have a time."""
    text = re.sub(r"(?m)^\d\d:\d\d:\d\d .*\n", "", text)
    return [json.loads(one) for one in re.findall(r"^\{$.*?^\}$", text, re.MULTILINE | re.DOTALL)]


@pytest.mark.parametrize(
    "named",
    [
        {"OTEL_SERVICE_NAME": "shop"},
        {"OTEL_SERVICE_NAME": "", "OTEL_RESOURCE_ATTRIBUTES": "team=a%20b,service.name=shop"},
    ],
)
def test_it_is_labelled(named):
    """By the service's name and the resource, and by an event at its start and at its end."""
    console = {"OTEL_LOGS_EXPORTER": "console", "OTEL_TRACES_EXPORTER": "console"}
    done = drilled(**console, **named, OTEL_METRICS_EXPORTER="console")
    found = documents(done.stdout)
    resources = [one["resource"]["attributes"] for one in found if "resource" in one]
    assert len(resources) > 10
    for one in resources:
        assert one["service.name"] == "shop-drill"
        assert one["together.drill.cause"] == "revoked"
        assert one.get("team") == ("a b" if "OTEL_RESOURCE_ATTRIBUTES" in named else None)
    events = [one for one in found if "event_name" in one]
    order = [one["event_name"].removeprefix("together.client.") for one in events]
    failed = ("auth_failed", "gen_ai.client.inference.exception")
    refusals = order.count(failed[-1])
    assert order == [
        *("drill_started", "key_checked", *failed, *failed[1:] * (refusals - 1)),
        *("auth_recovered", "drill_ended"),
    ]
    for one in (events[0], events[-1]):
        assert one["attributes"]["together.drill.cause"] == "revoked"
        assert one["attributes"]["together.drill.duration"] == 0.5


def test_names_that_are_no_text():
    """Variables may hold any bytes."""
    done = drilled(
        OTEL_SERVICE_NAME="sh\udcffop",
        OTEL_RESOURCE_ATTRIBUTES="team=\udcff",
        TOGETHER_OTEL_PROMETHEUS_PORT=str(free_port()),
    )
    assert "as service sh\N{REPLACEMENT CHARACTER}op-drill." in done.stdout


# ── keys ─────────────────────────────────────────────────────────────────────────────


def test_no_key_of_the_users_is_used(tmp_path):
    """Not from its variable, nor one alike, nor by recovery; and a proxy is not asked."""
    keys = MadeUpKeys()
    key = keys.together()
    secret = tmp_path / "secret"
    secret.write_text(key)
    done = drilled(
        cause="missing",
        TOGETHER_API_KEY=key,
        TOGETHERAI_API_KEY=key,
        SECRET_OF_SHOP=key,
        TOGETHER_BASE_URL="http://together.invalid",
        TOGETHER_OTEL_RECOVERY=f"file:{secret}",
        HTTP_PROXY=f"http://127.0.0.1:{free_port()}",
        ALL_PROXY=f"http://127.0.0.1:{free_port()}",
        TOGETHER_OTEL_PROMETHEUS_PORT=str(free_port()),
    )
    assert "All failures were counted" in done.stdout
    assert keys.shown_in({"out": done.stdout, "err": done.stderr}) == []


@pytest.mark.parametrize(
    ("variables", "direct"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": ".svc"}, ".svc,127.0.0.1,localhost"),
        ({"NO_PROXY": ".svc", "no_proxy": "collector"}, "collector,127.0.0.1,localhost"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_hosts_that_no_proxy_is_asked_for(variables, direct):
    """The user's, such as a collector's, and loopback; whichever case a library reads."""
    made = drills_own({**NOWHERE, **variables}, "revoked", None, "/nowhere")
    assert (made["no_proxy"], made["NO_PROXY"]) == (direct, direct)


# ── what keeps it from being one ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "together"}, "see together-otel doctor"),
        ({"OTEL_METRICS_EXPORTER": "promethus"}, "RuntimeError: Requested component 'promethus'"),
        ({"TOGETHER_OTEL_METRICS": "none"}, "nothing is counted"),
        ({}, "no metrics are exported"),
    ],
)
def test_a_set_up_that_tells_nothing(variables, said):
    """Exit code 1 and the reason, without waiting for the end, and without a traceback."""
    done = drilled(code=1, duration=LONG, **variables)
    assert said in done.stdout
    assert "The drill did not start." in done.stdout
    assert "Fire drill" not in done.stdout  # what does not start is not announced
    assert "its target is gone" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_an_application_that_does_not_start(tmp_path):
    """Something on its path is in the way: what it failed with is said."""
    (tmp_path / "together.py").write_text("raise ImportError('not the one that is meant')")
    done = drilled(code=1, PYTHONPATH=str(tmp_path), TOGETHER_OTEL_PROMETHEUS_PORT=str(free_port()))
    assert "it ended with exit code 1, ImportError: not the one that is meant." in done.stdout


def test_a_launcher_of_a_python_that_was_moved(tmp_path, monkeypatch, capsys):
    """Its first line names one that is not there."""
    script = tmp_path / "opentelemetry-instrument"
    script.write_text("#!/nowhere/python")
    script.chmod(0o755)
    monkeypatch.setattr(processes, "launcher", lambda: script)
    monkeypatch.setenv("TOGETHER_OTEL_PROMETHEUS_PORT", str(free_port()))
    assert drill_here() == 1
    said = capsys.readouterr().out
    assert f"has ended: {script} cannot be started (No such file or directory)." in said


def drill_here(*arguments):
    """Run it in this process, for what ends before there is another; return its exit code."""
    try:
        return main(["drill", "--cause", "revoked", *arguments])
    except SystemExit as exc:
        return int(exc.code or 0)


@pytest.mark.parametrize(
    ("place", "instead", "said"),
    [
        (
            "shutil.which",
            lambda _: None,
            "pip install 'together-otel[zero-code]' opentelemetry-sdk",
        ),
        ("tempfile.tempdir", "/nowhere", "set TMPDIR to one"),
        (f"{installation.__name__}.release_of", lambda _: None, "together is not installed"),
        (
            "os.environ",
            {"OTEL_CONFIG_FILE": "otel.yaml"},
            "OTEL_CONFIG_FILE sets the service's name",
        ),
    ],
    ids=["launcher", "temporary files", "SDK", "service of its own"],
)
def test_what_it_needs_is_missing(place, instead, said, monkeypatch, capsys):
    monkeypatch.setattr(place, instead)
    assert drill_here() == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--duration", "3"], "expected a time such as 90s, 2m or 1h"),
        (["--duration", "0s"], "expected a time such as 90s, 2m or 1h"),
        (["--port", "http"], "expected a port, 1 to 65535"),
        (["--port", "0"], "expected a port, 1 to 65535"),
        (["--port", "9464"], "--port is only for scraped metrics"),
        (["--duration", "1s"], "OTEL_EXPORTER_PROMETHEUS_PORT is not a port; see"),
        (["--cause", "expired"], "invalid choice: 'expired'"),
    ],
)
def test_usage(arguments, said, monkeypatch, capsys):
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "prometheus" if "1s" in arguments else "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "http")
    assert drill_here(*arguments) == 64
    assert said in capsys.readouterr().err


def test_json():
    """One object, whose scrape configuration is left to the text."""
    port = str(free_port())
    done = drilled("--json", TOGETHER_OTEL_PROMETHEUS_PORT=port)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["started"], found["faults"], found["service"]) == (True, [], "shop-drill")
    assert found["failed"] > 0
    assert "TogetherAuthFailing" in found["expected_alerts"]["page"]
    assert found["metrics"] == [f"http://127.0.0.1:{port}/metrics, until the drill ends."]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - what containers take
def test_the_scrape_configuration(host):
    """It is a block of YAML, as a configuration of Prometheus holds it."""
    port = free_port()
    text = announced(
        TOGETHER_OTEL_PROMETHEUS_PORT=str(port),
        TOGETHER_OTEL_PROMETHEUS_HOST=host,
        OTEL_SERVICE_NAME='a: "b" #c',
    )
    block = re.search(r"^  scrape_configs:\n(    .*\n)+", text, re.MULTILINE)
    target = f"127.0.0.1:{port}" if host == "127.0.0.1" else f"HOST:{port}"
    assert yaml.safe_load(block[0]) == {
        "scrape_configs": [
            {"job_name": 'a: "b" #c-drill', "static_configs": [{"targets": [target]}]}
        ]
    }


def test_the_example_of_the_help(capsys):
    """With no exporter but those of the extra ``zero-code``, it is a good drill."""
    assert drill_here("--help") == 0
    settings = dict(re.findall(r"(OTEL_\w+)=(\w+)", capsys.readouterr().out))
    port = str(free_port())
    done = drilled("--port", port, **settings)
    assert f"http://localhost:{port}/metrics" in done.stdout
    assert set(settings) == {*NOWHERE}


@pytest.mark.skipif(GENERATION == 1, reason="its HTTP client is made all the same")
def test_a_client_that_cannot_be_made(tmp_path):
    """For want of what a proxy of another kind needs: the drill says so, as it is no refusal."""
    (tmp_path / "socksio.py").write_text("raise ImportError")
    done = drilled(
        code=1,
        PYTHONPATH=str(tmp_path),
        ALL_PROXY=f"socks5://127.0.0.1:{free_port()}",
        TOGETHER_OTEL_PROMETHEUS_PORT=str(free_port()),
    )
    assert "a request with a good key failed: ImportError: Using SOCKS proxy" in done.stdout


class Held(io.RawIOBase):
    """What a text goes to; its first write takes until it is let go."""

    def __init__(self):
        self.written, self.begun, self.let_go = b"", threading.Event(), threading.Event()

    def writable(self):
        return True

    def write(self, data):
        self.begun.set()
        self.let_go.wait(PATIENCE)
        self.written += bytes(data)
        return len(data)


def test_nothing_is_lost_of_what_exporters_write(monkeypatch):
    """One writes while another's text is on its way: both arrive."""
    raw = Held()
    output = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(sys, "argv", ["program", "together"])
    monkeypatch.setattr(program, "listen", lambda: None)
    program.main()

    def write_spans():
        for _ in range(10):
            output.write("a" * 5999 + "\n")

    spans = threading.Thread(target=write_spans)
    logs = threading.Thread(target=output.write, args=("b\n",))
    spans.start()
    assert raw.begun.wait(PATIENCE)
    logs.start()
    logs.join(0.2)  # it waits for the other, or has left its text in the buffer
    raw.let_go.set()
    spans.join()
    logs.join()
    output.flush()
    assert sorted(map(len, raw.written.splitlines())) == [1] + [5999] * 10


def test_no_line_overtakes_another(monkeypatch):
    """Both readers show what is there: the second waits for the line that the first has taken."""
    shown, taken, go_on = [], threading.Event(), threading.Event()

    def write(line):
        if line == "1":
            taken.set()
            go_on.wait(PATIENCE)
        shown.append(line)

    monkeypatch.setattr(processes, "write", write)
    process = object.__new__(processes.Process)
    vars(process).update(output=deque("12"), errors=deque(), _shown=True, _redact=str)
    process._showing = threading.Lock()
    first, second = (threading.Thread(target=process._repeat) for _ in range(2))
    first.start()
    assert taken.wait(PATIENCE)
    second.start()
    second.join(0.1)  # it waits, or has shown the other line
    go_on.set()
    first.join()
    second.join()
    assert shown == ["1", "2"]
