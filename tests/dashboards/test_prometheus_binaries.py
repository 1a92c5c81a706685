"""How tests find the real Prometheus programs, and what happens when they are missing."""

from __future__ import annotations

import prometheus_binaries
import pytest


@pytest.fixture
def folders(monkeypatch, tmp_path):
    """Two empty folders, in place of `.tools/usr/bin` and of PATH."""
    tools, path = tmp_path / "tools", tmp_path / "path"
    for folder in (tools, path):
        folder.mkdir()
    monkeypatch.setattr(prometheus_binaries, "TOOLS", tools)
    monkeypatch.setenv("PATH", str(path))
    return tools, path


@pytest.mark.parametrize("name", ["alertmanager", "prometheus-alertmanager"])
def test_alertmanager_goes_by_two_names(folders, name):
    """Debian's and its makers'; the checkout's own comes before PATH's."""
    tools, path = folders
    (path / name).touch(0o755)
    assert prometheus_binaries.find("alertmanager") == path / name
    (tools / name).touch(0o755)
    assert prometheus_binaries.require("alertmanager") == tools / name


@pytest.mark.usefixtures("folders")
def test_a_missing_program_skips_a_test_but_fails_it_under_ci(monkeypatch):
    """Both say what to run."""
    assert prometheus_binaries.find("promtool") is None
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"run tools/fetch_prometheus\.sh"):
        prometheus_binaries.require("promtool")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"run tools/fetch_prometheus\.sh"):
        prometheus_binaries.require("promtool")
