"""``python -m together_otel.cli.demo``: what it says, and that it notices when something is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from together_otel.cli.demo import __main__ as demo
from together_otel.cli.demo import paging
from together_otel.cli.demo.evidence import Evidence
from together_otel.cli.demo.made_up import MadeUpKeys
from together_otel.cli.demo.scenarios import Scenario
from together_otel.names import CAUSES
from together_otel.testing.stack import MissingBinary

if TYPE_CHECKING:
    from pathlib import Path


def no_binaries() -> None:
    raise MissingBinary("alertmanager is nowhere: run tools/fetch_prometheus.sh")


def test_without_prometheus_it_shows_the_rest_and_says_what_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Every scenario is still run and verified."""
    rules = tmp_path / "alerts.yaml"
    rules.write_text("groups: []")
    monkeypatch.setattr(paging, "RULES", rules)
    monkeypatch.setattr(demo, "find_binaries", no_binaries)
    code = demo.main()
    printed = capsys.readouterr().out
    assert code == 0, printed
    words = " ".join(printed.split())
    assert "Left out: Prometheus, Alertmanager and the alert that they deliver." in words
    assert "run tools/fetch_prometheus.sh" in words
    for cause in ("empty", "malformed", "wrong_provider", "wrong_variable", "missing", "revoked"):
        assert f"| {cause} " in printed
    assert max(map(len, printed.splitlines())) <= 120


def test_a_wrong_cause_is_reported_with_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A demonstration that cannot fail shows nothing."""
    monkeypatch.setattr(paging, "RULES", tmp_path / "absent.yaml")
    monkeypatch.setattr(
        demo,
        "scenarios",
        lambda keys: [
            Scenario("thought to be empty", {}, "empty"),
            Scenario("revoked", {"TOGETHER_API_KEY": keys.together()}, "revoked", revoked=True),
        ],
    )
    assert demo.main() == 1
    printed = capsys.readouterr().out
    assert "expected {'empty': 1.0}, came {'missing': 1.0}" in " ".join(printed.split())
    assert "absent.yaml is not there" in " ".join(printed.split())


def test_a_failure_counted_twice_is_a_fault() -> None:
    """The counters, the log and the spans must each have as many as the application saw."""
    exposition = "# TYPE together_client_auth_failures_total counter\n" + "".join(
        f'together_client_auth_failures_total{{together_auth_cause="{cause}"}}'
        f" {2 if cause == 'revoked' else 0}\n"
        for cause in CAUSES
    )
    scenario = Scenario("revoked", {}, "revoked", revoked=True)
    faults = Evidence(scenario, ["AuthenticationError"], exposition, [], [], 0).faults()
    assert "revoked: failures by cause: expected {'revoked': 1.0}, came {'revoked': 2.0}" in faults


@pytest.mark.parametrize("place", [0, 20, 35])
def test_eight_characters_of_a_key_are_noticed(place: int) -> None:
    keys = MadeUpKeys()
    secret = keys.together().removeprefix("tgp_v1_")
    texts = {
        "clean": "nothing, tgp_v1_ included",
        "seven": f"<{secret[place : place + 7]}>",
        "eight": f"<{secret[place : place + 8]}>",
    }
    assert keys.shown_in(texts) == ["eight"]
