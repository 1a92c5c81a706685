"""`together-otel doctor`: each broken set-up has its finding and its fix."""

import os
import socket
from importlib import metadata
from unittest.mock import Mock

import pytest
from examining import GOOD, set_all
from serving import answering, serving

from together_otel.cli import main
from together_otel.cli.doctor import command, exporters, installation
from together_otel.cli.doctor.folders import folders
from together_otel.cli.doctor.neighbours import neighbours
from together_otel.cli.doctor.recoveries import recoveries
from together_otel.cli.doctor.switches import settings_of
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.ports import free_port

DEAD = 2**22 + 1  # no system gives a process a number as large


@pytest.fixture(autouse=True)
def good(monkeypatch):
    """Begin with a good set-up, without the trial, which takes a process and has tests of its own."""
    monkeypatch.setattr(command, "trial", lambda *_: iter(()))
    set_all(monkeypatch, GOOD)


def broken(level):
    """Return a function that describes a set-up with one finding of a level.

    It takes the topic, parts of the sentence and of the fix, and variables on top of a good set-up:
    ``{folder}`` is one of the test's own, ``{port}`` and ``{other}`` are free ports, and something
    listens at ``{listening}``.
    """

    def describe(about, text, fix, base=(), **variables):
        return pytest.param((level, about), text, fix, dict(base) | variables, id=text)

    return describe


problem, warning = broken("problem"), broken("warning")
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what a container is to bind
SCRAPED = {
    "OTEL_METRICS_EXPORTER": "prometheus",
    "OTEL_EXPORTER_PROMETHEUS_HOST": EVERYWHERE,
    "OTEL_EXPORTER_PROMETHEUS_PORT": "{port}",
}
OURS = {
    "OTEL_METRICS_EXPORTER": "none",
    "TOGETHER_OTEL_PROMETHEUS_HOST": EVERYWHERE,
    "TOGETHER_OTEL_PROMETHEUS_PORT": "{port}",
}
OTLP = {
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:{listening}",
}
PREFORK = "PROMETHEUS_MULTIPROC_DIR to an empty directory"

BROKEN = [
    problem(
        "disabled",
        "contains together",
        "Remove together from",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="flask, together",
    ),
    problem("disabled", "contains *", "Remove * from", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*"),
    warning(
        "disabled",
        "which is not the name of an instrumentation",
        "This one is named together",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="together_otel",
    ),
    problem("disabled", "disables everything", "Unset OTEL_SDK_DISABLED", OTEL_SDK_DISABLED="True"),
    warning(
        "settings",
        "Invalid value 'soon' for TOGETHER_OTEL_LOG_INTERVAL",
        "Correct it",
        TOGETHER_OTEL_LOG_INTERVAL="soon",
    ),
    warning(
        "settings",
        "TOGETHER_OTEL_PREFLIHGT is not a setting; did you mean TOGETHER_OTEL_PREFLIGHT?",
        "Correct it",
        TOGETHER_OTEL_PREFLIHGT="raise",
    ),
    warning(
        "settings",
        "OTEL_METRIC_EXPORTER is not a variable of OpenTelemetry; did you mean OTEL_METRICS_EXPORTER?",
        "Correct it",
        OTEL_METRIC_EXPORTER="otlp",
    ),
    problem("backend", "there are no metrics", "to auto", TOGETHER_OTEL_METRICS="none"),
    warning(
        "backend",
        "This package does not serve",
        "TOGETHER_OTEL_PROMETHEUS_PORT to a free port",
        TOGETHER_OTEL_METRICS="prometheus",
    ),
    problem(
        "exporters",
        "no metrics of Together's calls are exported",
        "OTEL_METRICS_EXPORTER to prometheus or otlp",
        OTEL_METRICS_EXPORTER="none",
    ),
    problem(
        "exporters",
        "promethus is needed but not installed",
        "Correct the name",
        OTEL_METRICS_EXPORTER="promethus",
    ),
    problem(
        "exporters", "the exporter none", "Correct the name", OTEL_LOGS_EXPORTER="none,console"
    ),
    problem(
        "exporters",
        "OTLP has no protocol http, which is set to export metrics",
        "OTEL_EXPORTER_OTLP_PROTOCOL to grpc or http/protobuf",
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL="http",
    ),
    warning(
        "exporters",
        "does not answer from here (Connection refused)",
        "OTEL_EXPORTER_OTLP_ENDPOINT at it",
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_METRICS_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:{port}",
    ),
    warning(
        "exporters",
        "TEMPORALITY_PREFERENCE=delta: counters and histograms are sent as deltas",
        "to cumulative",
        OTLP,
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="Delta",
    ),
    warning(
        "exporters",
        "TEMPORALITY_PREFERENCE=lowmemory: histograms are sent as deltas",
        "to cumulative",
        OTLP,
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="lowmemory",
    ),
    warning(
        "exporters",
        "OTEL_TRACES_SAMPLER=parentbased_traceidratio: no span",
        "parentbased_always_on",
        OTLP,
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0.0",
    ),
    warning(
        "exporters",
        "OTEL_METRIC_EXPORT_INTERVAL=3600000: Prometheus treats series as gone",
        "Unset it",
        OTLP,
        OTEL_METRIC_EXPORT_INTERVAL="3600000",
    ),
    warning(
        "exporters",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=8: spans lose attributes",
        "Unset it",
        OTLP,
        OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="8",
    ),
    warning(
        "exporters",
        "TogetherLatencyHigh",
        "to explicit_bucket_histogram",
        OTLP,
        OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION="base2_exponential_bucket_histogram",
    ),
    warning(
        "settings",
        "The variable '\\ufeffOTEL_SERVICE_NAME' is not OTEL_SERVICE_NAME",
        "without a byte-order mark",
        **{"\ufeffOTEL_SERVICE_NAME": "shop"},
    ),
    problem(
        "exporters",
        "not a URL with a host",
        "http://HOST:PORT",
        OTLP,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://",
    ),
    problem(
        "port",
        "OTEL_EXPORTER_PROMETHEUS_PORT is not a port",
        "a number",
        SCRAPED,
        OTEL_EXPORTER_PROMETHEUS_PORT="metrics",
    ),
    problem(
        "port",
        "is not a port",
        "9464 is the default",
        SCRAPED,
        OTEL_EXPORTER_PROMETHEUS_PORT="94640",
    ),
    problem("port", "both use port", "OTEL_METRICS_EXPORTER=none", OURS | SCRAPED),
    warning(
        "port",
        "another port at each start",
        "to a fixed port",
        OURS,
        TOGETHER_OTEL_PROMETHEUS_PORT="0",
    ),
    problem(
        "port",
        "cannot be used: Cannot assign requested address",
        "0.0.0.0 for all",
        OURS,
        TOGETHER_OTEL_PROMETHEUS_HOST="192.0.2.1",
    ),
    problem(
        "port",
        "cannot be used: the name of the host is not valid",
        "0.0.0.0 for all",
        OURS,
        TOGETHER_OTEL_PROMETHEUS_HOST="here..example",
    ),
    warning(
        "host",
        "served on ::1 only",
        "TOGETHER_OTEL_PROMETHEUS_HOST=0.0.0.0",
        OURS,
        TOGETHER_OTEL_PROMETHEUS_HOST="::1",
    ),
    warning(
        "host",
        "outside this container cannot reach it",
        "OTEL_EXPORTER_PROMETHEUS_HOST=0.0.0.0",
        SCRAPED,
        OTEL_EXPORTER_PROMETHEUS_HOST="localhost",
        KUBERNETES_SERVICE_HOST="10.0.0.1",
    ),
    problem("workers", "WEB_CONCURRENCY sets 4 processes", PREFORK, SCRAPED, WEB_CONCURRENCY="4"),
    problem(
        "workers",
        "GUNICORN_CMD_ARGS sets 3 processes",
        PREFORK,
        SCRAPED,
        GUNICORN_CMD_ARGS="--bind :80 --workers=3",
    ),
    problem("workers", "each has its own metrics", PREFORK, OURS, GUNICORN_CMD_ARGS="-w 2"),
    warning(
        "workers",
        "a spawned worker",
        "OTEL_METRICS_EXPORTER=none",
        OURS | SCRAPED,
        PROMETHEUS_MULTIPROC_DIR="{folder}",
        TOGETHER_OTEL_PROMETHEUS_PORT="{other}",
    ),
    problem(
        "folder",
        "is set but empty",
        "to an empty directory, or unset it",
        OURS,
        PROMETHEUS_MULTIPROC_DIR="",
    ),
    problem(
        "folder",
        "it is a file",
        "to a directory that the service may write to",
        OURS,
        PROMETHEUS_MULTIPROC_DIR="{folder}/file",
    ),
    problem(
        "folder",
        "cannot be used (File name too long): each process counts for itself",
        "to a directory",
        OURS,
        PROMETHEUS_MULTIPROC_DIR="{folder}/" + "a" * 300,
    ),
    problem(
        "folder",
        "a file has the name of a folder above it",
        "to a directory",
        OURS,
        PROMETHEUS_MULTIPROC_DIR="{folder}/file/metrics",
    ),
    warning(
        "folder",
        "2 files of processes that have ended",
        'rm -f "$PROMETHEUS_MULTIPROC_DIR"/*.db',
        OURS,
        PROMETHEUS_MULTIPROC_DIR="{folder}/stale",
    ),
    problem(
        "folder",
        "TOGETHER_OTEL_TEXTFILE cannot be used (it is a file)",
        "--collector.textfile.directory",
        TOGETHER_OTEL_TEXTFILE="{folder}/file",
    ),
    warning(
        "folder",
        "does not exist",
        "--collector.textfile.directory",
        TOGETHER_OTEL_TEXTFILE="{folder}/texts",
    ),
    warning(
        "pushgateway",
        "does not answer from here",
        "Start it",
        TOGETHER_OTEL_PUSHGATEWAY="http://user:word@127.0.0.1:{port}/metrics/job/shop",
    ),
    warning(
        "pushgateway",
        "does not answer from here (the name of the host is not valid)",
        "Start it",
        TOGETHER_OTEL_PUSHGATEWAY="http://push..example:9091",
    ),
    warning(
        "settings",
        "Invalid value (24 characters) for TOGETHER_OTEL_PUSHGATEWAY",
        "Correct it",
        TOGETHER_OTEL_PUSHGATEWAY="http://127.0.0.1:metrics",
    ),
]


@pytest.mark.parametrize(("complaint", "text", "fix", "variables"), BROKEN)
def test_broken(complaint, text, fix, variables, tmp_path, doctor):
    """One complaint, its sentence, its fix, and the exit code that its level asks for."""
    (tmp_path / "file").touch()
    (tmp_path / "stale").mkdir()
    (tmp_path / "stale" / f"counter_{DEAD}.db").touch()
    (tmp_path / "stale" / f"gauge_livemax_{DEAD}.db").touch()
    listener = socket.create_server(("127.0.0.1", 0))
    here = {
        "folder": tmp_path,
        "port": free_port(),
        "other": free_port(),
        "listening": listener.getsockname()[1],
    }
    with listener:
        found = doctor(**{name: value.format(**here) for name, value in variables.items()})

    level, about = complaint
    assert found.complaints == [complaint]
    assert text in found.text(about)
    assert fix in found.text(about)
    assert found.code == (level == "problem")
    assert "word" not in found.text("pushgateway")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"TOGETHER_OTEL_METRICS": "otel"}, "TOGETHER_OTEL_METRICS selects it"),
        ({"PROMETHEUS_MULTIPROC_DIR": ""}, "OpenTelemetry's meter"),
        ({}, "neither TOGETHER_OTEL_METRICS nor a variable of prometheus_client is set"),
        ({"TOGETHER_OTEL_TEXTFILE": "."}, "because TOGETHER_OTEL_TEXTFILE is set"),
        (
            {"prometheus_multiproc_dir": "{folder}", "TOGETHER_OTEL_PROMETHEUS_PORT": "{port}"},
            "because PROMETHEUS_MULTIPROC_DIR and TOGETHER_OTEL_PROMETHEUS_PORT are set",
        ),
    ],
)
def test_which_backend_and_why(variables, said, tmp_path, doctor):
    port = str(free_port())
    here = {"folder": tmp_path, "port": port}
    found = doctor(**{name: value.format(**here) for name, value in variables.items()})
    assert said in found.text("backend")
    assert found.code == 0


@pytest.mark.parametrize("shared", [True, False])
def test_workers_that_are_well(shared, tmp_path, doctor):
    """By a folder that they share, which is in use; or each by an exporter of its own."""
    variables = {"WEB_CONCURRENCY": "4"}
    if shared:
        (tmp_path / f"counter_{os.getpid()}.db").touch()
        (tmp_path / f"counter_{DEAD}.db").touch()
        variables |= OURS | {
            "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
            "TOGETHER_OTEL_PROMETHEUS_PORT": str(free_port()),
        }
    found = doctor(**variables)
    assert found.complaints == []
    assert ("share PROMETHEUS_MULTIPROC_DIR" in found.text("workers")) is shared
    assert ("1 running processes" in found.text("folder")) is shared


@pytest.mark.parametrize(
    ("text", "said", "code"),
    [
        ("together_client_requests_total 1\n", "already serves together_otel's metrics", 0),
        ("go_info 1\n", "is in use by another program", 1),
    ],
)
def test_a_port_that_is_taken(text, said, code, doctor):
    """By the application, which runs; or by something else."""
    with serving(answering(lambda request: request.answer(200, text.encode()))) as server:
        found = doctor(
            OTEL_METRICS_EXPORTER="none",
            TOGETHER_OTEL_PROMETHEUS_HOST="127.0.0.1",
            TOGETHER_OTEL_PROMETHEUS_PORT=str(server.server_port),
        )
    assert said in found.text("port")
    assert found.code == code


def test_a_port_that_is_privileged(monkeypatch, doctor):
    """Tests may run as a user who has every privilege: the system's answer is made up."""
    refusal = PermissionError(13, "Permission denied")
    monkeypatch.setattr(socket.socket, "bind", Mock(side_effect=refusal))
    found = doctor(**OURS | {"TOGETHER_OTEL_PROMETHEUS_PORT": "80"})
    assert found.complaints == [("problem", "port")]
    assert "below 1024 are privileged" in found.text("port")
    assert "to a port from 1024 on" in found.text("port")


@pytest.mark.parametrize(
    ("protocol", "scheme", "shown"),
    [("http/protobuf", "http://", "http"), ("grpc", "", "grpc")],
)
def test_a_collector_that_answers(protocol, scheme, shown, doctor):
    with socket.create_server(("127.0.0.1", 0)) as collector:
        place = f"localhost:{collector.getsockname()[1]}"
        found = doctor(
            OTEL_METRICS_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"{scheme}{place}",
        )
    assert found.complaints == []
    assert f"The collector at {shown}://{place} answers." in found.text("exporters")


# ── what is installed ────────────────────────────────────────────────────────────────


OLD, NEW = {"together": "1.2.0"}, {"together": "4.0.0"}
NONE = dict.fromkeys(
    (
        *("together", "together-ai", "openai"),
        *("httpx", "httpx2", "requests", "aiohttp", "websockets"),
    )
)


@pytest.mark.parametrize(
    ("installed", "said", "fix"),
    [
        (OLD, "together 1.2.0 is not supported", "pip install 'together<4,>=1.4.5'"),
        (NEW, "together 4.0.0 is not supported", "pip install 'together<4,>=1.4.5'"),
        (NONE, "No SDK of Together AI", "application's Python"),
    ],
)
def test_the_sdk(installed, said, fix, monkeypatch, doctor):
    real = installation.release_of
    monkeypatch.setattr(installation, "release_of", lambda name: installed.get(name, real(name)))
    found = doctor()
    assert ("problem", "sdk") in found.complaints
    assert said in found.text("sdk")
    assert fix in found.text("sdk")
    assert found.code == 1


def test_a_file_that_names_the_exporters(doctor):
    """What the variables ask for is not looked at then."""
    found = doctor(OTEL_CONFIG_FILE="otel.yaml", OTEL_TRACES_EXPORTER="otlp")
    assert found.text("exporters") == "OTEL_CONFIG_FILE is set: that file names the exporters. "
    assert found.complaints == []


@pytest.fixture
def entry_points(monkeypatch):
    """Let a module find what a function makes of the real entry points and of what is asked for."""
    real = metadata.entry_points

    def change(module, make):
        monkeypatch.setattr(module, "entry_points", lambda **asked: make(real(**asked), asked))

    return change


@pytest.mark.parametrize(
    ("group", "about", "said"),
    [
        ("opentelemetry_instrumentor", "entry point", "on the path, but not installed"),
        ("opentelemetry_configurator", "distro", "sets no providers"),
    ],
)
def test_entry_points_that_are_not_there(group, about, said, entry_points, doctor):
    entry_points(installation, lambda real, asked: () if asked["group"] == group else real)
    found = doctor()
    assert said in found.text(about)
    assert "pip install" in found.text(about)


@pytest.mark.parametrize(
    ("value", "complaint", "said"),
    [
        ("theirs:Instrumentor", ("warning", "entry point"), "has the same name"),
        ("together_otel.nowhere:Class", ("problem", "entry point"), "cannot be loaded: ModuleNot"),
    ],
)
def test_another_entry_point(value, complaint, said, entry_points, doctor):
    """Another package's of the same name; one of ours that a broken install has left."""
    one = metadata.EntryPoint("together", value, "opentelemetry_instrumentor")
    entry_points(installation, lambda real, asked: [one, *real] if "name" in asked else real)
    found = doctor()
    assert found.complaints == [complaint]
    assert said in found.text("entry point")


def test_an_exporter_that_is_not_installed(entry_points, doctor):
    """The fix keeps the OpenTelemetry that is there."""
    entry_points(exporters, lambda real, _: [one for one in real if one.name != "otlp_proto_grpc"])
    found = doctor(OTEL_TRACES_EXPORTER="otlp")
    assert found.complaints == [("problem", "exporters")]
    assert "otlp_proto_grpc is needed but not installed" in found.text("exporters")
    release = metadata.version("opentelemetry-sdk")
    fix = f"pip install opentelemetry-exporter-otlp-proto-grpc opentelemetry-sdk=={release}"
    assert fix in found.text("exporters")


def test_no_launcher(monkeypatch, doctor):
    monkeypatch.setattr("shutil.which", lambda _: None)
    found = doctor()
    assert found.complaints == [("problem", "launcher")]
    assert "instrument() in the application" in found.text("launcher")


# ── what is said ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shape", ["together", "other_provider"])
def test_a_key_in_the_wrong_place_is_not_repeated(shape, monkeypatch, capsys):
    """Where an exporter's name belongs, whether it looks like a key or is the one in use."""
    keys = MadeUpKeys()
    key = getattr(keys, shape)()
    for variable in ("OTEL_METRICS_EXPORTER", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"):
        monkeypatch.setenv(variable, f"together-{key}")
    monkeypatch.setenv("TOGETHER_API_KEY", key)
    assert main(["doctor"]) == 1
    assert main(["doctor", "--json"]) == 1
    assert keys.shown_in({"out": capsys.readouterr().out}) == []


def test_a_folder_below_a_working_directory_that_is_gone(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    environ = {"PROMETHEUS_MULTIPROC_DIR": "metrics"}
    (found,) = folders(environ, settings_of(environ)[0])
    assert "the working directory that it is relative to is gone" in found.text


SOUND = "tgp_" + "v1_" + "aB3_" * 10 + "abc"


@pytest.mark.parametrize(
    ("held", "level", "said"),
    [
        (SOUND + "\n", "ok", "which contains one"),
        (None, "warning", "cannot be read (No such file or directory)"),
        ("", "warning", "whose key cannot work: it is empty"),
        (f'"{SOUND}"', "warning", "whose key cannot work: it has quotes around it"),
        ("sk" + "-" + "a1B2" * 10, "warning", "whose key cannot work: it is a key of OpenAI"),
        ("changeme", "warning", "whose key cannot work: it is a placeholder"),
        (SOUND * 1000, "warning", "not a file that contains a key and nothing else"),
    ],
    ids=["a key", "no file", "empty", "damaged", "another provider's", "a placeholder", "large"],
)
def test_a_file_that_another_key_is_to_come_from(held, level, said, tmp_path):
    """Looked at before a key is refused, and nothing of it is repeated."""
    secret = tmp_path / "secret"
    if held is not None:
        secret.write_text(held)
    (found,) = recoveries(settings_of({"TOGETHER_OTEL_RECOVERY": f"file:{secret}"})[0])
    assert (found.level, found.about) == (level, "recovery")
    assert str(secret) in found.text
    assert said in found.text
    assert SOUND[7:15] not in found.text


def test_a_command_that_another_key_is_to_come_from():
    setting = "command:sh -c 'cat /secret'; command:no-such-program --key; environment"
    there, absent = recoveries(settings_of({"TOGETHER_OTEL_RECOVERY": setting})[0])
    assert (there.level, absent.level) == ("ok", "warning")
    assert "/secret" not in there.text
    assert "the command no-such-program, which is not installed" in absent.text


def test_orders_to_a_terminal_are_shown_as_text(monkeypatch, capsys):
    """Values are repeated, and so are a server's words."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "\x1b[2Jnone\nok: all is well")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "\\x1b[2Jnone\\nok: all is well" in out
    assert "\x1b" not in out


def test_a_collector_of_all_signals(doctor):
    """One finding, and not three."""
    found = doctor(
        **dict.fromkeys(GOOD, "otlp"),
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}",
    )
    assert found.complaints == [("warning", "exporters")]
    assert "The collector of metrics, traces and logs, 127.0.0.1 port " in found.text("exporters")


def test_whose_span_a_call_has_beside_others(monkeypatch):
    """Each instrumentation of what reaches Together is named with what becomes of a call's span."""
    there = {"opentelemetry-instrumentation-openai": "0.62.4", "langfuse": "5.0", "logfire": "5.4"}
    monkeypatch.setattr("together_otel.cli.doctor.neighbours.release_of", there.get)
    found = list(neighbours())
    assert [one.level for one in found] == ["ok", "warning", "warning"]
    assert "a child, together.client.call" in found[0].text
    assert "in addition to together_otel's" in found[1].text
    assert "neither reports nor counts" in found[2].text
    assert "suppress_other_instrumentation=False" in found[2].fix
    there.clear()
    assert list(neighbours()) == []
