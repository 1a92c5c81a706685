"""The monitoring stack that other tests stand on: what it says when something is wrong."""

import pytest
from prometheus_binaries import require

from together_otel.testing import programs
from together_otel.testing.ports import free_port
from together_otel.testing.stack import MissingBinary, ProcessDied, Stack, find_binaries

DOWN = """
groups:
  - name: test
    rules:
      - alert: Down
        expr: up == 0
        annotations: {summary: "{{ $labels.job }} is down"}
"""


@pytest.fixture
def rules(tmp_path):
    """A file with one rule."""
    require("prometheus")
    require("alertmanager")
    file = tmp_path / "rules.yaml"
    file.write_text(DOWN)
    return file


def test_an_alert_reaches_the_webhook(rules):
    """Through both programs, with the labels of its target."""
    with Stack([("shop", f"127.0.0.1:{free_port()}")], [rules]) as stack:
        alert = stack.wait_for_notification(lambda alert: alert["labels"]["job"] == "shop")
        assert alert["annotations"] == {"summary": "shop is down"}
        assert [one["state"] for one in stack.alerts()] == ["firing"]
        assert stack.query('up{job="shop"}')[0]["value"][1] == "0"
        with pytest.raises(TimeoutError, match=r"1 came.*'job': 'shop'"):
            stack.wait_for_notification(lambda _: False, timeout=0)
        with pytest.raises(TimeoutError, match=r"after 0 s, up == 1 is \[\]"):
            stack.wait_for("up == 1", timeout=0)
        with pytest.raises(ValueError, match="unclosed left parenthesis"):
            stack.query("sum(")


def test_a_program_that_ends_says_why(rules):
    """The last lines of its log name the rule that does not parse."""
    rules.write_text(DOWN.replace("up == 0", "up =="))
    reason = r"prometheus ended with code [12]:[^$]*parse error"
    with pytest.raises(ProcessDied, match=reason), Stack([], [rules]):
        pass


def test_what_is_missing_is_named_with_where_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(programs, "CHECKOUT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingBinary, match=r"prometheus is neither .* tools/fetch_prometheus\.sh"):
        find_binaries()


def test_binaries_of_the_checkout_come_first(monkeypatch, tmp_path):
    """Debian calls Alertmanager by another name than its makers do."""
    here, elsewhere = tmp_path / ".tools" / "usr" / "bin", tmp_path / "bin"
    for file in (here / "prometheus", elsewhere / "prometheus", elsewhere / "alertmanager"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o755)
    monkeypatch.setattr(programs, "CHECKOUT", tmp_path)
    monkeypatch.setenv("PATH", str(elsewhere))
    found = find_binaries()
    assert found == programs.Binaries(here / "prometheus", elsewhere / "alertmanager")
