"""`together-otel doctor -- COMMAND…`: the application's own command line."""

import shutil
import sys
from pathlib import Path

import pytest

from together_otel.cli.doctor import command
from together_otel.cli.doctor.command_line import parse

LAUNCHER = Path(sys.executable).with_name("opentelemetry-instrument")


@pytest.fixture(autouse=True)
def no_trial(monkeypatch, tmp_path):
    """Start no process, and find this environment's programs as if it were activated."""
    (tmp_path / "app.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "trial", lambda *_: iter(()))
    monkeypatch.setenv("PATH", str(LAUNCHER.parent), prepend=":")


def test_the_quick_start(doctor):
    """Its flags are the variables that they stand for."""
    line = "opentelemetry-instrument --traces_exporter console --metrics_exporter prometheus"
    found = doctor("--", *line.split(), "--logs_exporter=none", "python", "app.py")
    assert {about for _, about in found.complaints} <= {"host", "port"}
    assert "OTEL_METRICS_EXPORTER=prometheus: metrics go to prometheus." in found.text("exporters")
    assert "OTEL_TRACES_EXPORTER=console" in found.text("exporters")
    assert "OTEL_LOGS_EXPORTER=none" in found.text("exporters")


@pytest.mark.parametrize(
    ("typed", "environ", "words", "launcher"),
    [
        ("python app.py", {}, ["python", "app.py"], None),
        (
            "A=1 B= env C=x=y python app.py",
            {"A": "1", "B": "", "C": "x=y"},
            ["python", "app.py"],
            None,
        ),
        (
            "A=1 bin/opentelemetry-instrument --service_name shop gunicorn -w 4 --log_level info",
            {"A": "1", "OTEL_SERVICE_NAME": "shop"},
            ["gunicorn", "-w", "4", "--log_level", "info"],
            "bin/opentelemetry-instrument",
        ),
        (
            "opentelemetry-instrument --disabled_instrumentations=a python --service_name x",
            {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "a"},
            ["python", "--service_name", "x"],
            "opentelemetry-instrument",
        ),
    ],
)
def test_parse(typed, environ, words, launcher):
    """What follows the application's own program is the application's."""
    assert parse(typed.split(), {"KEPT": "1"}) == ({"KEPT": "1", **environ}, words, launcher)


@pytest.mark.parametrize(
    ("typed", "complaint", "said", "fix"),
    [
        (
            "python app.py",
            ("warning", "command"),
            "does not start with opentelemetry-instrument",
            "opentelemetry-instrument python app.py",
        ),
        (
            "/elsewhere/opentelemetry-instrument python app.py",
            ("problem", "command"),
            "/elsewhere/opentelemetry-instrument is not found",
            str(LAUNCHER),
        ),
        (
            "opentelemetry-instrument no-such-server app:app",
            ("problem", "command"),
            "no-such-server does not exist",
            "activate",
        ),
        (
            "opentelemetry-instrument python3 -uB no-such-app.py -v",
            ("warning", "command"),
            "no-such-app.py does not exist here",
            "run this in the application's folder",
        ),
        *(
            (
                f"opentelemetry-instrument --metrics_exporter prometheus {command}",
                ("problem", "workers"),
                f"{word} starts the application in a second process",
                "TOGETHER_OTEL_PROMETHEUS_PORT",
            )
            for command, word in (
                ("python -m uvicorn app:app --reload", "--reload"),
                ("python -m flask run --debug", "--debug"),
                ("python manage.py runserver", "runserver"),
            )
        ),
        (
            "opentelemetry-instrument --metrics_exporter prometheus python -m gunicorn -w 4 app",
            ("problem", "workers"),
            "The command line sets 4 processes",
            "PROMETHEUS_MULTIPROC_DIR",
        ),
    ],
)
def test_what_is_wrong_with_it(typed, complaint, said, fix, monkeypatch, doctor):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")
    found = doctor("--", *typed.split())
    assert complaint in found.complaints
    assert said in found.text(complaint[1])
    assert fix in found.text(complaint[1])


@pytest.mark.parametrize(
    "typed",
    [
        "flask run --port 1",
        "manage.py runserver --noreload",
        "python /srv/flask-app/run.py --debug",
    ],
)
def test_no_reloader(typed, doctor):
    line = f"opentelemetry-instrument --metrics_exporter prometheus python -m {typed}"
    assert not doctor("--", *line.split()).text("workers")


def test_another_environments_launcher(tmp_path, monkeypatch, doctor):
    """The one that the shell finds belongs to another Python than the doctor's."""
    other = tmp_path / "opentelemetry-instrument"
    shutil.copy(sys.executable, other)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = doctor("--", "opentelemetry-instrument", "python", "app.py")
    assert ("problem", "command") in found.complaints
    assert f"is {other}, which does not belong to {sys.executable}" in found.text("command")
