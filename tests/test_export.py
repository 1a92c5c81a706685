"""What `together-otel export` writes, from a checkout and from a wheel."""

import errno
import json
import os
import shutil
import sys
from pathlib import Path
from unittest.mock import Mock

import prometheus_binaries
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import run_to_end

from together_otel.cli import main
from together_otel.cli.export import command
from together_otel.cli.export import files as export
from together_otel.settings import DEFAULT_RUNBOOK_URL

ROOT = Path(__file__).parents[1]
DASHBOARDS = ROOT / "dashboards"
BOARDS = [path.stem for path in sorted(DASHBOARDS.glob("grafana/*.json"))]
PARTS = [f"dashboards/{name}.json" for name in BOARDS]
WRITTEN = {
    "dashboards": [f"grafana/{name}.json" for name in BOARDS],
    "rules": ["prometheus/alerts.yaml", "prometheus/recording.yaml"],
    "alertmanager": ["alertmanager/alertmanager.yaml", "alertmanager/templates/together.tmpl"],
    "grafana-provisioning": [
        "grafana/provisioning/dashboards/together.yaml",
        "grafana/provisioning/datasources/together.yaml",
    ],
    "grafana-com": [f"grafana.com/{name}.json" for name in BOARDS],
    "grafana-operator": [f"grafana-operator/{name}.yaml" for name in BOARDS],
    "kubernetes": ["kubernetes/prometheusrule.yaml", "kubernetes/alertmanagerconfig.yaml"],
    "victoriametrics": ["victoriametrics/vmrule.yaml"],
    "helm": [
        f"helm/together-otel/{path}"
        for path in (
            "Chart.yaml",
            *(f"templates/{name}.yaml" for name in ("dashboards", "rules", "servicemonitor")),
            "values.schema.json",
            "values.yaml",
            "rules/alerts.yaml",
            "rules/recording.yaml",
            *PARTS,
        )
    ],
    "mixin": [
        f"mixin/{path}"
        for path in ("mixin.libsonnet", "rules/alerts.json", "rules/recording.json", *PARTS)
    ],
    "loki": ["loki/rules.yaml"],
    "runbook": ["runbook.md"],
}
EVERYTHING = [path for paths in WRITTEN.values() for path in paths]
WIKI = "https://wiki.example:8443/together/runbook?version=1"


def read(folder):
    """Return the text of every file below a folder by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def run(*arguments):
    """Run the command here; return its exit code, of errors of usage too."""
    try:
        return main(["export", *map(str, arguments)])
    except SystemExit as exc:
        return int(exc.code or 0)


def test_everything(tmp_path, capsys):
    """The files are those of `dashboards/`; each is named, with where it goes."""
    folder = tmp_path / "monitoring"
    assert run(folder) == 0
    found = read(folder)
    assert sorted(found) == sorted(EVERYTHING)
    shipped = [path for path in EVERYTHING if (DASHBOARDS / path).exists()]
    assert {path.partition("/")[0] for path in shipped} == {
        *("alertmanager", "grafana", "kubernetes", "loki", "mixin", "prometheus"),
        "runbook.md",
    }
    for path in shipped:
        assert found[path] == (DASHBOARDS / path).read_text(encoding="utf-8")
    said = capsys.readouterr().out.splitlines()
    steps = [line for line in said if line.startswith("  next: ")]
    assert steps == [f"  next: {one.next_step}" for one in export.FORMATS.values()]
    assert [line for line in said if line not in steps] == [str(folder / one) for one in EVERYTHING]


def test_nothing_is_left_out():
    """Every file of these folders is written."""
    for folder in ("alertmanager", "grafana", "loki", "prometheus"):
        there = (DASHBOARDS / folder).rglob("*")
        paths = {path.relative_to(DASHBOARDS).as_posix() for path in there if path.is_file()}
        assert paths == {path for path in EVERYTHING if path.partition("/")[0] == folder}


@pytest.mark.parametrize("kind", export.FORMATS)
def test_only(kind, tmp_path):
    assert run(tmp_path, "--only", kind) == 0
    assert sorted(read(tmp_path)) == sorted(WRITTEN[kind])


def content(file):
    """Return what a file says to who reads it."""
    if "templates" in file.path.parts:
        return file.text
    readers = {".json": json.loads, ".yaml": yaml.safe_load}
    return readers.get(file.path.suffix, str)(file.text)


def test_the_manifest_holds_the_rules():
    """Its spec is all groups of all rule files, to the last character of every text."""
    made = export.files()
    (manifest, _) = (content(file) for file in made if file.kind == "kubernetes")
    rules = [content(file) for file in made if file.kind == "rules"]
    assert manifest.pop("spec") == {"groups": [one for file in rules for one in file["groups"]]}
    assert manifest == {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "together-otel",
            "labels": {
                "app.kubernetes.io/name": "together-otel",
                "prometheus": "k8s",
                "release": "kube-prometheus-stack",
                "role": "alert-rules",
            },
        },
    }


def test_the_runbook_of_ones_own(tmp_path):
    """Every link leads there, in every file, and nothing else changes."""
    run(tmp_path / "theirs", "--runbook-url", WIKI)
    run(tmp_path / "ours")
    theirs, ours = read(tmp_path / "theirs"), read(tmp_path / "ours")
    assert {path.partition("/")[0] for path, text in theirs.items() if WIKI in text} == {
        *("grafana", "grafana.com", "grafana-operator", "prometheus", "kubernetes"),
        *("victoriametrics", "helm", "mixin", "loki"),
    }
    for path, text in theirs.items():
        assert text.replace(WIKI, DEFAULT_RUNBOOK_URL) == ours[path]
        assert ours[path].count(DEFAULT_RUNBOOK_URL) == text.count(WIKI)


OURS = {file.path: json.dumps(content(file)) for file in export.files()}


@given(url=st.from_regex(command._URL, fullmatch=True))
@settings(max_examples=20, deadline=None)
def test_every_url_that_is_taken_is_itself_in_the_files(url):
    """No character of it ends a scalar of YAML or a string of JSON, or means anything there."""
    for file in export.files(runbook_url=url):
        assert json.dumps(content(file)) == OURS[file.path].replace(DEFAULT_RUNBOOK_URL, url)


def test_a_data_source_to_begin_with(tmp_path):
    """The variable begins with it and can still be changed; nothing else differs."""
    assert run(tmp_path, "--only", "dashboards", "--datasource", "mimir-eu_1") == 0
    for path in WRITTEN["dashboards"]:
        dashboard, expected = (
            json.loads((folder / path).read_text(encoding="utf-8"))
            for folder in (tmp_path, DASHBOARDS)
        )
        variables = expected["templating"]["list"]
        (source,) = (one for one in variables if one["query"] == "prometheus")
        source["current"] = {"text": "mimir-eu_1", "value": "mimir-eu_1"}
        assert dashboard == expected


def test_files_that_exist_are_kept(tmp_path, capsys):
    """All are named, nothing at all is written; `--force` overwrites them."""
    taken = [tmp_path / WRITTEN[kind][0] for kind in ("rules", "kubernetes")]
    for path in taken:
        path.parent.mkdir()
        path.write_text("mine")
    assert run(tmp_path) == 64
    assert sorted(read(tmp_path).values()) == ["mine", "mine"]
    said = capsys.readouterr().err
    assert f"{taken[0]}, {taken[1]} would be overwritten" in said
    assert "--force" in said
    assert run(tmp_path, "--force") == 0
    assert "mine" not in read(tmp_path).values()


def test_jobs_of_ones_own(tmp_path):
    """Rules select them and no others, dashboards begin with them; nothing else differs."""
    jobs = ("shop", "chat.eu/web-1")
    run(tmp_path / "theirs", *(word for job in jobs for word in ("--job", job)))
    run(tmp_path / "ours")
    theirs, ours = read(tmp_path / "theirs"), read(tmp_path / "ours")
    matcher = 'job=~"shop|chat[.]eu/web-1"'
    for path in WRITTEN["dashboards"]:
        (job,), (expected,) = (
            [one for one in json.loads(text[path])["templating"]["list"] if one["name"] == "job"]
            for text in (theirs, ours)
        )
        assert job.pop("current")["value"] == list(jobs)
        assert expected.pop("current")["value"] == ["$__all"]
        assert job == expected
    for path in (*WRITTEN["rules"], WRITTEN["kubernetes"][0], *WRITTEN["victoriametrics"]):
        for group in groups(theirs[path]):
            for rule in group["rules"]:
                assert matcher in rule["expr"], rule
        names = [
            [
                rule.get("alert", rule.get("record"))
                for group in groups(text)
                for rule in group["rules"]
            ]
            for text in (theirs[path], ours[path])
        ]
        assert names[0] == names[1]
    for path in (*WRITTEN["alertmanager"], *WRITTEN["grafana-provisioning"]):
        assert theirs[path] == ours[path]


def groups(rules):
    """Return the groups of a file of rules, or of the manifest."""
    found = yaml.safe_load(rules)
    return list(found.get("spec", found)["groups"])


def test_prometheus_takes_rules_for_jobs(tmp_path):
    """With the runbook of one's own in them, too."""
    run(tmp_path, "--only", "rules", "--job", "shop", "--runbook-url", WIKI)
    files = [tmp_path / path for path in WRITTEN["rules"]]
    assert all(WIKI in file.read_text("utf-8") for file in files[:1])
    prometheus_binaries.run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *files)


def test_the_data_source_that_is_provisioned(tmp_path):
    """It has the uid that dashboards begin with; the links between data sources follow it."""
    assert run(tmp_path, "--only", "grafana-provisioning", "--datasource", "123") == 0
    _, path = WRITTEN["grafana-provisioning"]
    theirs, ours = (
        yaml.safe_load((folder / path).read_text(encoding="utf-8"))["datasources"]
        for folder in (tmp_path, DASHBOARDS)
    )
    assert theirs != ours
    assert json.loads(json.dumps(ours).replace("together-prometheus", "123")) == theirs


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "required: DIR"),
        (["{}", "--only", "rule"], "choose from"),
        (["{}", "--runbook-url", "wiki.example"], "expected a URL"),
        (["{}", "--runbook-url", "https://wiki.example/#together"], "without an anchor"),
        (["{}", "--runbook-url", "https://wiki.example/{{ $labels.job }}"], "expected a URL"),
        (["{}", "--datasource", "My Prometheus"], "expected a data source's UID"),
        (
            ["{}", "--datasource", "mimir", "--only", "rules"],
            "--datasource has no effect on --only rules",
        ),
        (["{}", "--job", 'shop"} or vector(1)'], "expected a job's name"),
        (
            ["{}", "--job", "shop", "--only", "alertmanager"],
            "--job has no effect on --only alertmanager",
        ),
        ([__file__], "expected a folder"),
        ([""], "the path is empty"),
    ],
)
def test_usage(arguments, expected, tmp_path, capsys):
    """Exit code 64, what was expected, nothing written."""
    assert run(*(argument.replace("{}", str(tmp_path)) for argument in arguments)) == 64
    said = capsys.readouterr().err
    assert "usage: together-otel export" in said
    assert expected in " ".join(said.split())
    assert not read(tmp_path)


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch, capsys):
    """Exit code 73, which path and why, no traceback."""
    (tmp_path / "grafana").touch()
    assert run(tmp_path) == 73
    assert f"cannot write {tmp_path / 'grafana'}: File exists" in capsys.readouterr().err
    assert run(tmp_path / ("a" * 300)) == 73
    assert "File name too long" in capsys.readouterr().err
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(Path, "write_text", Mock(side_effect=full))
    assert run(tmp_path / "new") == 73
    assert f"cannot write {tmp_path / 'new'}: No space left" in capsys.readouterr().err


def test_help_has_an_example(tmp_path, monkeypatch, capsys):
    """It is a command that works as it stands."""
    assert run("--help") == 0
    example = " ".join(capsys.readouterr().out.split()).partition("example: together-otel ")[2]
    monkeypatch.chdir(tmp_path)
    assert main(example.split()) == 0
    assert read(tmp_path)


@pytest.fixture(scope="module", params=["checkout", "sdist"])
def installed(request, tmp_path_factory):
    """A folder that a wheel was installed into: one made of a checkout, one of an sdist."""
    dist, target = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("installed")
    source = ROOT
    if request.param == "sdist":
        python("-m", "hatchling", "build", "-t", "sdist", "-d", dist, cwd=ROOT)
        (archive,) = dist.glob("*.tar.gz")
        shutil.unpack_archive(archive, dist, filter="data")
        (source,) = (path for path in dist.iterdir() if path.is_dir())
    python("-m", "hatchling", "build", "-t", "wheel", "-d", dist, cwd=source)
    (wheel,) = dist.glob("*.whl")
    python("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, wheel)
    return target


def python(*arguments, cwd=None, path=None):
    """Run Python with arguments, a folder before all others on its path; return what it prints."""
    done = run_to_end(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(path or "")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_from_a_wheel(installed, tmp_path):
    """It writes what a checkout's does, by its own module and its own script."""
    where = "import together_otel; print(together_otel.__file__)"
    assert python("-c", where, cwd=tmp_path, path=installed).startswith(str(installed))
    arguments = ("--runbook-url", WIKI, "--datasource", "mimir", "--job", "shop")
    run(tmp_path / "checkout", *arguments)
    for way, words in {
        "module": ("-m", "together_otel"),
        "script": (installed / "bin" / "together-otel",),
    }.items():
        python(*words, "export", way, *arguments, cwd=tmp_path, path=installed)
        assert read(tmp_path / way) == read(tmp_path / "checkout")
    assert "Make a new key" in python("-m", "together_otel", "explain", "revoked", path=installed)
