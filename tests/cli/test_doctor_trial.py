"""The doctor's trial: a process under `opentelemetry-instrument`, with the environment it is given."""

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from examining import GOOD, set_all
from serving import Quiet, serving

from together_otel.cli import main
from together_otel.cli.doctor import trial
from together_otel.testing.ports import free_port


@pytest.fixture(autouse=True)
def good(monkeypatch):
    """Begin with a set-up that has nothing to complain of."""
    set_all(monkeypatch, GOOD)


def test_all_is_well(capsys):
    """Exit code 0, and what was looked at in lines that a CI log keeps readable."""
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "0 problems, 0 warnings."
    assert all(line.startswith("ok       ") for line in lines[:-2])
    assert "methods of client libraries are instrumented" in "\n".join(lines)


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A folder on the path of every process that is started."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "together"}, "the instrumentation is not on"),
        ({"OTEL_SDK_DISABLED": "true"}, "no method of a client library is instrumented"),
        ({"OTEL_METRICS_EXPORTER": "promethus"}, "runs without telemetry: RuntimeError"),
        ({"OTEL_PYTHON_ID_GENERATOR": "dice"}, "Requested component 'dice' not found"),
    ],
)
def test_not_instrumented(variables, said, doctor):
    """Whatever keeps the launcher from it, also what no other question is asked about."""
    found = doctor(**variables)
    assert found.code == 1
    assert ("problem", "trial") in found.complaints
    assert said in found.text("trial")
    assert not found.text("log events")  # what is said of them would be its consequence


def test_a_launcher_of_a_python_that_was_moved(tmp_path, monkeypatch, doctor):
    """Its first line names one that is not there."""
    script = tmp_path / "opentelemetry-instrument"
    script.write_text("#!/nowhere/python")
    script.chmod(0o755)
    monkeypatch.setattr(trial, "launcher", lambda: script)
    found = doctor()
    assert (found.code, found.complaints) == (1, [("problem", "trial")])
    assert "No such file or directory" in found.text("trial")


def test_no_temporary_files(tmp_path, monkeypatch, doctor):
    """As in a container whose file system is read-only."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    found = doctor()
    assert found.complaints == [("warning", "trial")]
    assert "Set TMPDIR to a writable folder" in found.text("trial")


def test_a_process_that_does_not_come_up(theirs, doctor):
    """Its last words are repeated, without keys."""
    key = "tgp_" + "v1_" + "aB3_" * 10 + "abc"
    (theirs / "wrapt.py").write_text(
        f'import os\nprint("OSError: {key} is not good",'
        " file=__import__('sys').stderr)\nos._exit(3)\n"
    )
    found = doctor()
    assert ("problem", "trial") in found.complaints
    assert "did not start: OSError: tgp_v1_[key] is not good" in found.text("trial")


def test_a_process_that_takes_too_long(theirs, monkeypatch, doctor):
    (theirs / "wrapt.py").write_text(
        "import sys\nsys.stderr.close()\nimport threading\nthreading.Event().wait()\n"
    )
    monkeypatch.setattr(trial, "LIMIT", 0.5)
    found = doctor()
    assert "did not start within 0.5 s" in found.text("trial")
    assert found.code == 1


OTHER = """
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

class TogetherInstrumentor(BaseInstrumentor):
    def instrumentation_dependencies(self): return ()
    def _instrument(self, **kwargs): pass
    def _uninstrument(self, **kwargs): pass
"""


def test_another_instrumentation(theirs, doctor):
    """One that the launcher finds, as it would find a package's."""
    (theirs / "theirs_of_together.py").write_text(OTHER)
    info = theirs / "theirs-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[opentelemetry_instrumentor]\nother = theirs_of_together:TogetherInstrumentor\n"
    )
    found = doctor()
    assert found.complaints == [("warning", "others")]
    assert "theirs_of_together also instruments Together's SDK" in found.text("others")
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS" in found.text("others")
    assert found.code == 0


def test_log_events(doctor):
    """They become LogRecords without OpenTelemetry's instrumentation of logging."""
    found = doctor(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="logging")
    assert found.complaints == []
    assert "become LogRecords that are not exported" in found.text("log events")


class Collector(Quiet, BaseHTTPRequestHandler):
    """Notes what is exported."""

    paths: list[str]

    def do_POST(self):
        self.paths.append(self.path)
        self.answer(200)


def test_nothing_is_exported(doctor):
    """However eager the exporters are: a collector would take it for the application's."""
    handler = type("_Collector", (Collector,), {"paths": []})
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        variables = {
            **dict.fromkeys(GOOD, "otlp"),
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "OTEL_METRIC_EXPORT_INTERVAL": "10",
            "OTEL_BLRP_SCHEDULE_DELAY": "10",
            "TOGETHER_OTEL_LOG_INTERVAL": "soon",  # a warning, and so a LogRecord
        }
        found = doctor(**variables)
    assert found.complaints == [("warning", "settings")]
    assert "become LogRecords that are exported" in found.text("log events")
    assert handler.paths == []


def test_providers_that_are_not_set(doctor):
    """A problem of metrics that OpenTelemetry is to emit, a warning of the rest."""
    found = doctor(OTEL_PYTHON_CONFIGURATOR="nobodys")
    assert [level for level, about in found.complaints if about == "providers"] == [
        *("problem", "warning", "warning")
    ]
    found = doctor(TOGETHER_OTEL_TEXTFILE=".")
    assert found.complaints == [("warning", "providers"), ("warning", "providers")]


@pytest.mark.parametrize(
    "variable", ["TOGETHER_OTEL_PROMETHEUS_PORT", "OTEL_EXPORTER_PROMETHEUS_PORT"]
)
def test_the_application_is_left_alone(variable, tmp_path, monkeypatch, doctor):
    """While it runs, with its port taken: nothing is left in its folders."""
    port = str(free_port())
    shared, texts = tmp_path / "shared", tmp_path / "texts"
    shared.mkdir()
    texts.mkdir()
    ours = variable.startswith("TOGETHER")
    monkeypatch.setenv(variable, port)
    if ours:
        monkeypatch.setenv("TOGETHER_OTEL_TEXTFILE", str(texts))
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(shared))
    else:
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "prometheus")
    ready = "print(flush=True); import sys; sys.stdin.read()"
    with subprocess.Popen(
        [trial.launcher(), sys.executable, "-c", ready],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as application:
        assert application.stdout
        application.stdout.readline()
        before = sorted(shared.iterdir())
        found = doctor()
        assert sorted(shared.iterdir()) == before
        assert list(texts.iterdir()) == []
        application.communicate()
    assert found.complaints == [("warning", "host")]
    assert "methods of client libraries are instrumented" in found.text("trial")
    if not ours:
        assert "already serves together_otel's metrics" in found.text("port")
