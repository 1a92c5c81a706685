"""How tests find the real Prometheus programs, and what happens when they are missing."""

import prometheus_binaries
import pytest


@pytest.fixture
def folders(monkeypatch, tmp_path):
    """Two empty folders, in place of those in `.tools` and of PATH, on a Debian."""
    tools, path = tmp_path / "tools", tmp_path / "path"
    for folder in (tools, path):
        folder.mkdir()
    for name in ("TOOLS", "NEWEST", "KEYRING"):
        monkeypatch.setattr(prometheus_binaries, name, tools)
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
@pytest.mark.parametrize(("newest", "script"), [(False, "prometheus"), (True, "newest")])
def test_a_missing_program_skips_a_test_but_fails_it_under_ci(newest, script, monkeypatch):
    """Both say what to run."""
    assert prometheus_binaries.find("promtool", newest=newest) is None
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=rf"run tools/fetch_{script}\.sh"):
        prometheus_binaries.require("promtool", newest=newest)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=rf"run tools/fetch_{script}\.sh"):
        prometheus_binaries.require("promtool", newest=newest)


@pytest.mark.usefixtures("folders")
def test_the_newest_suite_is_not_asked_for_where_it_cannot_be_had(monkeypatch, tmp_path):
    """CI on another system than Debian skips what runs on it."""
    monkeypatch.setattr(prometheus_binaries, "KEYRING", tmp_path / "none")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.skip.Exception):
        prometheus_binaries.require("promtool", newest=True)
