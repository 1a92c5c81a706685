"""`together-otel doctor` with each generation of the SDK: a set-up that is well, and in use."""

import json

from generation import RELEASE
from processes import PATIENCE

from together_otel.cli import main
from together_otel.cli.doctor import trial

GOOD = {
    "OTEL_METRICS_EXPORTER": "console",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}


def test_all_is_well(monkeypatch, capsys):
    """Exit code 0, the release is supported, and its methods are watched."""
    monkeypatch.setattr(trial, "LIMIT", PATIENCE)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    code, said = main(["doctor", "--json"]), capsys.readouterr()
    assert code == 0, said
    found = json.loads(said.out)
    assert {one["level"] for one in found} == {"ok"}
    said = "\n".join(one["text"] for one in found)
    assert f"together {RELEASE} is supported" in said
    assert "methods of client libraries are instrumented" in said
