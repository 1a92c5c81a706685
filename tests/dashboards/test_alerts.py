"""The alert rules: lint, unit tests, names and links."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_binaries import run

from together_otel import names
from together_otel import rules as package
from together_otel.rules import Options, render_alerts, render_recording
from together_otel.rules.settings import LOG_SEVERITIES, SEVERITIES

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "dashboards" / "prometheus"
RULES = PROMETHEUS / "alerts.yaml"
RECORDING = PROMETHEUS / "recording.yaml"
RUNBOOK = ROOT / "dashboards" / "runbook.md"
UNIT_TESTS = sorted((Path(__file__).parent / "alerts").glob("*.yaml"))
sys.path.insert(0, str(ROOT / "dashboards"))

import build  # noqa: E402 - found by the path above

WIDTH, LINES, BYTES = 110, 6, 23_287
"""What a reader is spared: columns and lines of an expression in its file, bytes of both files."""


INDENT = 6
EVERY = {name: "ticket" if one == "none" else one for name, one in SEVERITIES.items()}
"""Severities with those alerts too that are left out by default."""


def anchors():
    """Return the anchors of the runbook's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def rules(*files):
    """Return the rules of some files, of both by default."""
    return [
        rule
        for file in files or (RULES, RECORDING)
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


def alerts():
    """Return the rules that alert."""
    return [rule for rule in rules(RULES) if "alert" in rule]


def test_generated_files_are_up_to_date():
    """Run `python dashboards/build.py` when this fails."""
    for path, text in build.outputs().items():
        assert path.read_text(encoding="utf-8") == text, path.name


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Grafana's builder needs Python 3.11")
def test_the_dashboards_are_among_the_generated_files():
    """Where their builder can be installed, leaving it out would compare nothing."""
    if not os.environ.get("CI"):
        pytest.importorskip("grafana_foundation_sdk", reason="install the group lint")
    assert {path.suffix for path in build.outputs()} == {".yaml", ".json"}


SUITES = pytest.mark.parametrize("newest", [False, True], ids=["oldest", "newest"])


@SUITES
@pytest.mark.parametrize("path", [RULES, RECORDING], ids=lambda path: path.stem)
def test_lint(path, newest):
    said = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", path, newest=newest)
    assert f"{len(rules(path))} rules found" in said


@pytest.mark.timeout(400)
@SUITES
@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_each_fires_and_does_not_fire(path, newest, tmp_path):
    """The rules pass unit tests of their own, run by promtool."""
    (tmp_path / RULES.name).write_text(render_alerts(Options(severities=EVERY)), encoding="utf-8")
    test = tmp_path / "test.yaml"
    shutil.copy(path, test)
    run("promtool", "test", "rules", test.name, cwd=tmp_path, timeout=300, newest=newest)


def test_alerts_are_those_of_the_settings():
    found = {rule["alert"]: rule["labels"]["severity"] for rule in alerts()}
    assert found == {name: one for name, one in SEVERITIES.items() if one != "none"}
    assert len(found) == len(alerts())


def test_a_reader_is_spared():
    """Expressions are short, in lines that fit, on series whose names say what they are."""
    for rule in rules():
        lines = rule["expr"].splitlines()
        assert max(map(len, lines)) + INDENT <= WIDTH, rule
        assert len(lines) <= LINES, rule
        if "record" in rule:
            assert re.fullmatch(r"(job|instance)\w*:\w+:\w+", rule["record"])
    assert len(RULES.read_bytes()) + len(RECORDING.read_bytes()) <= BYTES


def test_only_requests_to_together_are_measured():
    """Other instrumentations of a job record the conventions' metrics for other providers."""
    boards = (ROOT / "dashboards" / "grafana").glob("*.json")
    texts = [rule["expr"] for rule in rules()]
    texts += [path.read_text(encoding="utf-8").replace('\\"', '"') for path in boards]
    selectors = re.findall(r"(?<![:\w])gen_ai_client_\w+[^\[\n]*\S", "\n".join(texts))
    assert selectors
    assert [one for one in selectors if 'gen_ai_provider_name="together"' not in one] == []


def test_each_alert_is_tested_firing_with_its_words_and_silent():
    """Promtool passes a file that tests nothing."""
    firing, silent = set(), set()
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test.get("alert_rule_test", ()):
                (firing if case["exp_alerts"] else silent).add(case["alertname"])
    assert firing == silent == set(SEVERITIES)


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_every_alert_has_what_a_person_needs(rule):
    """The job, and a link that leads somewhere."""
    notes = rule["annotations"]
    assert "{{ $labels.job }}" in notes["summary"]
    assert rule["keep_firing_for"]
    assert notes["runbook_url"].partition("#")[2] in anchors()


def test_every_cause_has_an_entry_in_the_runbook():
    """The log event's link leads there; what it means and the fix are the log's own words."""
    text = RUNBOOK.read_text(encoding="utf-8")
    assert {f"cause-{cause}" for cause in names.CAUSES} <= anchors()
    for cause in names.CAUSES:
        entry = text.partition(f"### Cause: {cause}\n")[2].partition("\n### ")[0]
        assert f"**Meaning.** {names.CAUSE_MEANINGS[cause]}\n" in entry
        assert f"**Fix.** {names.CAUSE_REMEDIES[cause]}\n" in entry


def test_every_entry_of_the_runbook_is_whole():
    """An entry an alert and an entry a cause, each from what it means to how to confirm."""
    entries = re.split(r"^### ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    titles = [entry.partition("\n")[0] for entry in entries]
    told = (*SEVERITIES, *LOG_SEVERITIES)
    assert sorted(titles) == sorted([*told, *(f"Cause: {cause}" for cause in names.CAUSES)])
    for entry in entries:
        assert re.findall(r"^\*\*(.*?)\.\*\*", entry, re.MULTILINE) == [
            "Meaning",
            "Certainty",
            "Check",
            "Run",
            "Fix",
            "Confirm",
        ]
        assert "```" in entry.partition("**Run.**")[2].partition("**Fix.**")[0]


def test_rules_and_runbook_use_only_names_that_exist():
    """Metrics and labels are the contract's; a series is recorded by one rule, or by several of other labels."""
    made = [(rule["record"], str(rule.get("labels"))) for rule in rules() if "record" in rule]
    assert len(made) == len(set(made))
    recorded = {name for name, _ in made}
    runbook = RUNBOOK.read_text(encoding="utf-8")
    expressions = " ".join(re.findall(r"```promql\n(.*?)```", runbook, re.DOTALL)) + " ".join(
        text
        for rule in rules()
        for text in (rule["expr"], *rule.get("annotations", {}).values())
        if "runbook" not in text
    )
    series = r"\b\w+:\w+:\w+"
    assert set(re.findall(series, expressions)) <= recorded
    known = {label for metric in names.METRICS for label in metric.labels}
    for metric in names.METRICS:
        parts = ("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",)
        known |= {f"{metric.prometheus}{part}" for part in parts}
    found = set(
        re.findall(
            r"\b(?:together_client|together_\w+|gen_ai)_\w+", re.sub(series, "", expressions)
        )
    )
    assert found - {"together_client_metrics"} <= known
    assert found


def test_options_are_all_there_is():
    """Other thresholds and severities are other rules."""
    severities = {**EVERY, "TogetherAuthFailing": "ticket"}
    del severities["TogetherAuthFailure"]
    theirs = Options(
        group_by=("region", "job"),
        failing_share=0.75,
        severities=severities,
    )
    text = render_alerts(theirs)
    assert "job:together_auth_failing:ratio >= 0.75\n" in text
    assert "cluster" not in text
    found = {
        rule["alert"]: rule["labels"]["severity"]
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert found == severities
    assert render_alerts(Options()) == RULES.read_text(encoding="utf-8")


@pytest.mark.parametrize("render", [render_alerts, render_recording])
def test_a_matcher_of_jobs_is_in_every_selector(render, tmp_path):
    """Rules of another team in the same Prometheus see none of its jobs."""
    path = tmp_path / "rules.yaml"
    path.write_text(render(Options(jobs="shop|chat-.+")))
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", path)
    for rule in rules(path):
        grouping = r"\b(?:by|on|group_left) \([^)]*\)"
        expr = re.sub(grouping, "", rule["expr"])
        series = re.findall(r"\b(?:\w+:\w+:\w+|together_client\w+|gen_ai_client\w+|up\b)(.?)", expr)
        assert series
        assert set(series) == {"{"}, rule
        assert expr.count("{") == expr.count('job=~"shop|chat-.+"') == len(series)


def test_the_file_says_what_the_rules_say():
    """Folding and quoting lose no character."""
    options = Options()
    for text, groups in (
        (render_alerts(options), package.alert_groups(options)),
        (render_recording(options), package.recording_groups(options)),
    ):
        written = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
        meant = [rule for group in groups for rule in group.rules]
        assert [rule["expr"] for rule in written] == [rule.expr for rule in meant]
        assert [rule.get("annotations", {}) for rule in written] == [
            rule.annotations for rule in meant
        ]


_UTC = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC")
"""The time of a test of the rules begins in 1970."""


def test_the_readme_shows_a_page_and_an_expression_as_they_are():
    """The words of a test of the rules, and of the rules."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Alerts")[2]
    page = re.search(r"^> \*\*(.*)\*\*\n> (.*)$", section, re.MULTILINE)
    assert page is not None
    told = [
        alert["exp_annotations"]
        for path in UNIT_TESTS
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for case in test.get("alert_rule_test", ())
        for alert in case["exp_alerts"]
    ]
    texts = {(one["summary"], _UTC.sub("", one["description"])) for one in told}
    assert (page[1], _UTC.sub("", page[2])) in texts
    expression = section.partition("```promql\n")[2].partition("\n```")[0]
    assert expression in {rule["expr"] for rule in alerts()}
