"""A key that nobody owns, an environment with nothing in it, and the command."""

import json
import os

import pytest

from together_otel.cli import main
from together_otel.testing import TogetherServer


@pytest.fixture(autouse=True)
def no_way_out(bare_environment, monkeypatch):  # noqa: ARG001 - before it
    """Take away what leads elsewhere: proxies, and bundles of certificates."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {"SSL_CERT_FILE", "SSL_CERT_DIR"}:
            monkeypatch.delenv(name)


@pytest.fixture
def key(monkeypatch):
    """A key of Together's shape, in its variable."""
    made = "tgp_" + "v1_" + "aB3_" * 10 + "abc"
    monkeypatch.setenv("TOGETHER_API_KEY", made)
    return made


@pytest.fixture
def together(monkeypatch):
    """Together, at the address that is asked."""
    with TogetherServer() as running:
        monkeypatch.setenv("TOGETHER_BASE_URL", running.url)
        yield running


@pytest.fixture
def look(capsys):
    """Run the command, and compare its exit code; return its text on one line."""

    def looked(*arguments, code=0):
        assert main(["check", *arguments]) == code
        return " ".join(capsys.readouterr().out.split())

    return looked


@pytest.fixture
def facts(capsys):
    """Run the command with --json, and compare its exit code; return its one line of JSON."""

    def found(*arguments, code=0):
        assert main(["check", "--json", *arguments]) == code
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        return json.loads(out)

    return found


@pytest.fixture
def check(key, monkeypatch, capsys):
    """Run the command with --live and with variables, which stay; return its exit code and JSON."""

    def checked(*arguments, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        code = main(["check", "--live", "--json", *arguments])
        said = capsys.readouterr()
        assert not said.err
        assert key[7:15] not in said.out
        return code, json.loads(said.out)

    return checked


@pytest.fixture
def unknown(check):
    """Run it where it cannot find out whether the key works, and compare why; return the JSON."""

    def checked(outcome, *arguments, **variables):
        code, found = check(*arguments, **variables)
        assert (code, found["live"]["outcome"]) == (2, outcome)
        return found

    return checked
