"""Rules as users choose them: `together-otel export --set`, `--severity`, `--group-by`, `--config`."""

import json
import sys

import prometheus_binaries
import pytest
import yaml
from test_export import run

from together_otel.rules import Options, render_alerts
from together_otel.rules.settings import (
    LOG_SEVERITIES,
    SETTINGS,
    SEVERITIES,
    choose,
    from_toml,
    to_toml,
)

TOML = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 reads no TOML")


def exported(folder, *arguments):
    """Return the text of the alerts that the command writes."""
    assert run(folder, "--only", "rules", *arguments) == 0
    return (folder / "prometheus" / "alerts.yaml").read_text(encoding="utf-8")


DEFAULT = {name: one for name, one in SEVERITIES.items() if one != "none"}


def severities(text):
    """Return the severity of each alert of a file."""
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    return {rule["alert"]: rule["labels"]["severity"] for rule in rules if "alert" in rule}


def test_what_is_chosen_is_in_the_rules(tmp_path):
    text = exported(
        tmp_path,
        *("--set", "failing_share=0.3", "--set", "keep_firing=2m"),
        *("--severity", "TogetherAuthFailure=none", "--severity", "TogetherRateLimited=page"),
        *("--group-by", "region,job", "--job", "shop"),
    )
    assert 'job:together_auth_failing:ratio{job=~"shop"} >= 0.3' in text
    assert "keep_firing_for: 2m" in text
    assert "max by (region, job, instance)" in text
    assert "cluster" not in text
    expected = {**DEFAULT, "TogetherRateLimited": "page"}
    del expected["TogetherAuthFailure"]
    assert severities(text) == expected


def test_severities_of_alerts_on_logs(tmp_path):
    """Each is chosen as any other's; without both, the file is still one that Loki reads."""
    page, ticket = LOG_SEVERITIES
    cases = [
        ((), LOG_SEVERITIES),
        ((f"{page}=ticket", f"{ticket}=none"), {page: "ticket"}),
        ((f"{page}=none", f"{ticket}=none"), {}),
    ]
    for place, (chosen, expected) in enumerate(cases):
        folder = tmp_path / str(place)
        arguments = [word for one in chosen for word in ("--severity", one)]
        assert run(folder, "--only", "loki", *arguments) == 0
        assert severities((folder / "loki" / "rules.yaml").read_text(encoding="utf-8")) == expected
    assert yaml.safe_load((folder / "loki" / "rules.yaml").read_text(encoding="utf-8")) == {
        "groups": []
    }


def test_every_setting_changes_the_rules():
    """None is read and forgotten."""
    other = {"share": 0.123, "number": 7.5, "latency": 2.5, "seconds": 1234, "duration": "7m"}
    every = {"severity": dict.fromkeys(SEVERITIES, "ticket")}
    usual = render_alerts(choose(every))
    for name, setting in SETTINGS.items():
        assert render_alerts(choose({**every, name: other[setting["kind"]]})) != usual, name


@pytest.mark.parametrize("arguments", [("--group-by", "region,job"), ("--set", "slow_seconds=2.5")])
def test_prometheus_takes_what_is_chosen(arguments, tmp_path):
    exported(tmp_path, *arguments)
    rules = tmp_path / "prometheus" / "alerts.yaml"
    prometheus_binaries.run("promtool", "check", "rules", "--lint=all", "--lint-fatal", rules)


def test_alertmanager_groups_and_inhibits_by_the_same_labels(tmp_path):
    assert run(tmp_path, "--group-by", "region,job") == 0
    config = yaml.safe_load((tmp_path / "alertmanager" / "alertmanager.yaml").read_text())
    operator = yaml.safe_load((tmp_path / "kubernetes" / "alertmanagerconfig.yaml").read_text())
    (ours,) = config["route"]["routes"]
    assert (
        ours["group_by"] == operator["spec"]["route"]["groupBy"] == ["region", "job", "alertname"]
    )
    assert {tuple(one["equal"]) for one in config["inhibit_rules"]} == {("region", "job")}
    assert {tuple(one["equal"]) for one in operator["spec"]["inhibitRules"]} == {("region", "job")}


@TOML
def test_what_is_shown_is_a_file_that_chooses_the_same(tmp_path, capsys):
    """The defaults, and what was chosen by hand."""
    assert run("--show-settings") == 0
    shown = capsys.readouterr().out
    assert choose(from_toml(shown)) == Options()
    assert run("--show-settings", "--json") == 0
    assert choose(json.loads(capsys.readouterr().out)) == Options()
    arguments = (
        "--set",
        "objective=0.999",
        "--severity",
        "TogetherLatencyHigh=none",
        "--group-by",
        "job",
    )
    assert run("--show-settings", *arguments) == 0
    theirs = capsys.readouterr().out
    file = tmp_path / "rules.toml"
    file.write_text(theirs)
    assert exported(tmp_path / "by-file", "--config", file) == exported(
        tmp_path / "by-hand", *arguments
    )
    assert to_toml(choose(from_toml(theirs))) == theirs


@TOML
def test_the_command_line_outranks_the_file(tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text(
        'failing_share = 0.4\nslow_seconds = 9\n[severity]\nTogetherLatencyHigh = "none"\n'
    )
    text = exported(
        tmp_path,
        *("--config", file, "--set", "failing_share=0.3", "--severity", "TogetherAuthFailure=none"),
    )
    assert "job:together_auth_failing:ratio >= 0.3" in text
    assert set(DEFAULT) - set(severities(text)) == {"TogetherLatencyHigh", "TogetherAuthFailure"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["--set", "failing_shre=0.3"],
            "did you mean failing_share? Choose from: group_by, severity",
        ),
        (["--set", "failing_share"], "expected NAME=VALUE, not 'failing_share'"),
        (["--set", "failing_share=30"], "expected a number over 0 and below 1, such as 0.3"),
        (["--set", "failing_share=many"], "expected a number over 0 and below 1, such as 0.3"),
        (["--set", "slow_seconds=nan"], "expected a number over 0"),
        (["--set", "slow_seconds=120"], "below 81.92, the last bound of a bucket"),
        (["--set", "rotation_overlap=1h"], "expected a whole number of seconds"),
        (["--set", "absent_for=10"], "expected a Prometheus duration, such as 5m"),
        (["--set", "absent_for=30m1h"], "expected a Prometheus duration, such as 5m"),
        (["--set", "absent_for="], "expected a Prometheus duration, such as 5m"),
        (["--set", "severity=page"], "severity=page: expected one of each alert"),
        (
            ["--set", "severity=page", "--severity", "TogetherAuthFailing=ticket"],
            "severity=page: expected one of each alert",
        ),
        (["--severity", "TogetherAuthFaling=page"], "did you mean TogetherAuthFailing?"),
        (["--severity", "TogetherAuthFailing=loud"], "expected one of page, ticket, none"),
        (["--group-by", "cluster"], "including job"),
        (["--group-by", "job,job"], "each label only once"),
        (["--group-by", "job,sum(x)"], "expected names of labels"),
        (["--set", "slow_seconds=9", "--only", "dashboards"], "--set has no effect"),
        (["--config", "nowhere.toml"], "--config nowhere.toml cannot be read: No such file"),
        (["--config", sys.executable], "cannot be read: it is not text in UTF-8"),
    ],
)
def test_a_wrong_choice(arguments, expected, tmp_path, capsys):
    """Exit code 64, what there is, nothing written."""
    assert run(tmp_path / "out", *arguments) == 64
    assert expected in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


@TOML
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("failing_share 0.3", "invalid TOML"),
        ("[severities]\nX = 'page'", "unknown setting 'severities'"),
    ],
)
def test_a_wrong_file(text, expected, tmp_path, capsys):
    file = tmp_path / "rules.toml"
    file.write_text(text)
    assert run(tmp_path / "out", "--config", file) == 64
    assert expected in " ".join(capsys.readouterr().err.split())
