"""`together-otel check` without --live: what it says, its JSON, its exit codes."""

import json
import os
import re
import subprocess
from pathlib import Path
from unittest import mock

import pytest
from dotenv import load_dotenv

from together_otel.cli import files, main
from together_otel.cli.check.outcomes import REMEDIES
from together_otel.testing.programs import CHECKOUT

FIELDS = {
    *("client", "can_work", "cause", "remedy", "presence", "source", "variable", "format"),
    *("problems", "length", "provider", "fingerprint", "env_file", "lookalikes", "notes", "live"),
}
LIVE = {
    *("outcome", "detail", "status_code", "url"),
    *("server_address", "server_port", "proxy", "request_id"),
}
OTHER = "tgp_" + "v1_" + "Zy9-" * 10 + "xyz"


def test_a_good_key(key, look):
    said = look()
    assert said.startswith("GOOD: the key can work. ")
    assert "a Together key, 50 characters" in said
    assert "was not asked" in said
    assert key[7:15] not in said


def test_a_key_that_cannot_work(key, monkeypatch, look, facts):
    """Exit code 1, the cause, every problem in words, the remedy; the same as JSON."""
    monkeypatch.setenv("TOGETHER_API_KEY", f' "{key}"\n')
    said = look(code=1)
    assert said.startswith("BAD: the key cannot work (malformed). ")
    for words in ("contains a newline", "has spaces around it", "has quotes around it"):
        assert words in said
    found = facts(code=1)
    assert (found["can_work"], found["cause"]) == (False, "malformed")
    assert found["problems"] == ["surrounding_whitespace", "newline", "quoted"]
    assert key[7:15] not in said + json.dumps(found)


def test_an_unknown_shape(monkeypatch, look):
    """It may be right, and is not called good without a word."""
    monkeypatch.setenv("TOGETHER_API_KEY", "an-opaque-token-9431")
    assert "GOOD, perhaps: the key may work." in look()


def test_a_whole_file_in_place_of_a_key(key, monkeypatch, look, facts):
    """The result is shown, also if only another variable has it."""
    monkeypatch.setenv("TOGETHER_API_KEY", "y" * 9_000)
    assert "TOGETHER_API_KEY is too long for a Together key: copy" in look(code=1)
    assert facts(code=1)["problems"] == ["too_long"]
    monkeypatch.setenv("TOGETHER_API_KEY", key)
    monkeypatch.setenv("MY_TOGETHER_KEY", "y" * 9_000)
    assert look().startswith("GOOD: the key can work.")


@pytest.mark.parametrize("value", ["/run/secrets/together/api-key", "file:/run/secrets/together"])
def test_a_path_in_place_of_a_key(value, monkeypatch, look):
    """Somebody expects that the file is read."""
    monkeypatch.setenv("TOGETHER_API_KEY", value)
    said = look(code=1)
    assert "holds a path or a reference to a key, not the key" in said
    assert "secrets" not in said


def test_one_screen(key, monkeypatch, capsys):
    """80 columns, 24 lines, ASCII, no colours: also with everything wrong at once."""
    monkeypatch.setenv("TOGETHER_API_KEY", f' export KEY="{key}é"\n\u200b')
    for number in range(9):
        monkeypatch.setenv(f"TOGETHER_API_KEY{number}", OTHER)
    assert main(["check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24
    assert all(len(line) <= 80 and line.isascii() and line.isprintable() for line in lines)
    assert any("and 3 more" in line for line in lines)


def test_json_has_every_field_always(key, monkeypatch, facts):
    """The page of the command tells its fields."""
    for value, code in ((key, 0), ("", 1), ("an-opaque-token-9431", 0)):
        monkeypatch.setenv("TOGETHER_API_KEY", value)
        assert set(facts(code=code)) == FIELDS
    monkeypatch.delenv("TOGETHER_API_KEY")
    assert set(facts(code=1)) == FIELDS
    page = PAGE.read_text(encoding="utf-8")
    assert {f"`{field}`" for field in FIELDS | LIVE} <= set(re.findall("`[a-z_]+`", page))


def test_fingerprints_can_be_switched_off(key, monkeypatch, facts):  # noqa: ARG001 - is set
    assert len(facts()["fingerprint"]) == 8
    monkeypatch.setenv("TOGETHER_OTEL_FINGERPRINT", "off")
    assert facts()["fingerprint"] is None


# ── other clients ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("client", "environment", "cause", "says"),
    [
        ("openai", {}, "missing", "OPENAI_API_KEY is not set"),
        ("openai", {"OPENAI_API_KEY": "{key}"}, None, "OPENAI_API_KEY of the environment"),
        (
            "openai",
            {"TOGETHER_API_KEY": "{key}"},
            "wrong_variable",
            "OpenAI reads OPENAI_API_KEY; it is unset, but TOGETHER_API_KEY holds a key",
        ),
        (
            "langchain",
            {"OPENAI_API_KEY": "sk" + "-" + "a1B2" * 10},
            "wrong_provider",
            "OPENAI_API_KEY is a key of OpenAI, and goes to Together because TOGETHER_API_KEY is unset",
        ),
        ("litellm", {"TOGETHER_AI_TOKEN": "{key}"}, None, "TOGETHER_AI_TOKEN of the environment"),
        (
            "litellm",
            {"TOGETHER_API_KEY": "", "TOGETHERAI_API_KEY": "{key}"},
            None,
            "TOGETHERAI_API_KEY of the environment",
        ),
        ("together", {"OPENAI_API_KEY": "{key}"}, "wrong_variable", "OPENAI_API_KEY holds a key"),
    ],
)
def test_another_client(client, environment, cause, says, key, monkeypatch, look, facts):
    """What is checked are the variables that it reads, in its order."""
    monkeypatch.delenv("TOGETHER_API_KEY")
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("{key}", key))
    code = int(cause is not None)
    assert says in look("--client", client, code=code)
    found = facts("--client", client, code=code)
    assert (found["client"], found["cause"]) == (client, cause)


def test_file_of_another_client(key, tmp_path, monkeypatch, look):
    """A file's variable is the one that the client reads."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(f"OPENAI_API_KEY={key}\n")
    assert "OPENAI_API_KEY of .env" in look("--client", "openai", "--env-file", ".env")
    assert "The file does not set TOGETHER_API_KEY." in look("--env-file", ".env")


# ── look-alikes ──────────────────────────────────────────────────────────────────────


def test_lookalikes(key, monkeypatch, look, facts):
    """Each that is set, though the key is good: its shape, and whether it is the same key."""
    monkeypatch.setenv("TOGETHERAI_API_KEY", key)
    monkeypatch.setenv("TOGETER_API_KEY", OTHER + "\n")
    monkeypatch.setenv("TOGETHER_TOKEN", "")
    monkeypatch.setenv("OPENAI_API_KEY", "sk" + "-" + "a1B2" * 10)
    monkeypatch.setenv("TOGETHER_LOG", "debug")
    found = facts()
    assert {one["variable"]: (one["format"], one["same_key"]) for one in found["lookalikes"]} == {
        "OPENAI_API_KEY": ("other_provider", False),
        "TOGETER_API_KEY": ("damaged", False),
        "TOGETHERAI_API_KEY": ("tgp_v1", True),
        "TOGETHER_TOKEN": ("none", False),
    }
    said = look()
    assert "TOGETHERAI_API_KEY: a Together key, 50 characters, the same key" in said
    assert "OPENAI_API_KEY: a key of OpenAI, 43 characters, another value" in said
    assert "TOGETHER_TOKEN: empty" in said
    shown = json.dumps(found) + said
    assert not any(stretch in shown for stretch in (key[7:15], OTHER[7:15], "a1B2a1B2"))


def test_a_header_that_takes_the_keys_place(key, monkeypatch, look):
    monkeypatch.setenv("TOGETHER_CUSTOM_HEADERS", f"X-A: b\nAuthorization: Bearer {OTHER}")
    said = look()
    assert "TOGETHER_CUSTOM_HEADERS sets Authorization" in said
    assert OTHER[7:15] not in said
    assert key[7:15] not in said


# ── --env-file ───────────────────────────────────────────────────────────────────────


def test_a_key_from_a_file(tmp_path, monkeypatch, look, facts):
    """As python-dotenv reads it, and told as what it is."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(f"# ours\nexport TOGETHER_API_KEY='{OTHER}'  # new\nnonsense = = '\n")
    assert "TOGETHER_API_KEY of .env " in look("--env-file", ".env")
    found = facts("--env-file", ".env")
    assert found["env_file"] == {
        "path": ".env",
        "holds_key": True,
        "used": True,
        "skipped_lines": [],
    }
    assert (found["source"], found["variable"]) == ("environment", "TOGETHER_API_KEY")


def test_the_environment_wins(key, tmp_path, look):
    file = tmp_path / ".env"
    file.write_text(f"TOGETHER_API_KEY={OTHER}\n'\n")
    alone = look()
    said = look("--env-file", str(file))
    assert re.search(r"fingerprint \w+", alone)[0] in said
    assert "of the environment" in said
    assert "the environment takes precedence" in said
    assert "line 2 of the file." in said
    assert key[7:15] not in said


def test_a_file_without_a_key(tmp_path, look):
    """Its look-alikes are looked for, too."""
    file = tmp_path / ".env"
    file.write_text(f"TOGETHER_KEY={OTHER}\n")
    said = look("--env-file", str(file), code=1)
    assert "TOGETHER_KEY: a Together key, 50 characters note" in said
    assert "(wrong_variable)" in said
    assert "rename it to TOGETHER_API_KEY" in said
    assert "The file does not set TOGETHER_API_KEY." in said


@pytest.mark.parametrize("marks", ["\ufeff", "\ufeff\ufeff"])
def test_a_file_with_a_byte_order_mark(marks, tmp_path, look):
    """Good only if `load_dotenv()` drops the mark; else part of a name, and named as what it is."""
    file = tmp_path / ".env"
    file.write_text(f"{marks}TOGETHER_API_KEY={OTHER}\n", encoding="utf-8")
    with mock.patch.dict(os.environ, clear=True):
        load_dotenv(file)
        loaded = "TOGETHER_API_KEY" in os.environ
    said = look("--env-file", str(file), code=(0 if loaded else 1))
    assert ("byte-order mark" in said) is not loaded
    assert ("\\ufeffTOGETHER_API_KEY" in said) is not loaded


def test_a_name_without_a_value(tmp_path, look):
    """It sets nothing, and a reference to it is empty, whatever its default."""
    file = tmp_path / ".env"
    for line, says in (
        (f"SPARE\nTOGETHER_API_KEY=${{SPARE:-{OTHER}}}\n", "(empty)"),
        ("TOGETHER_API_KEY\n", "The file does not set TOGETHER_API_KEY."),
    ):
        file.write_text(line)
        said = look("--env-file", str(file), code=1)
        assert says in said


def test_a_file_that_cannot_be_read(tmp_path, capsys):
    """Exit code 64, what is wrong, and nothing of what the file holds."""
    binary, nul, large = tmp_path / "binary", tmp_path / "nul", tmp_path / "large"
    binary.write_bytes(b"\xff\xfe" + OTHER.encode("utf-16-le"))
    nul.write_bytes(OTHER.encode() + b"\0")
    large.write_text(OTHER * 22_000)
    for path, why in (
        (tmp_path / "absent", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (binary, "not text in UTF-8"),
        (nul, "not text"),
        (large, "larger than 1 MiB"),
        (tmp_path / OTHER, "No such file or directory"),
        ("", "the path is empty"),  # a variable that is not set
    ):
        with pytest.raises(SystemExit) as exited:
            main(["check", "--json", "--env-file", str(path)])
        assert exited.value.code == 64
        said = capsys.readouterr()
        assert why in said.err
        assert "Expected " in said.err
        assert "Traceback" not in said.err
        assert OTHER[7:15] not in said.err
        assert not said.out


def test_a_file_that_is_a_pipe(tmp_path, look):
    """What decrypts a file writes into one: ``--env-file <(sops decrypt .env)``."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["/bin/sh", "-c", f"echo TOGETHER_API_KEY={OTHER} > {pipe}"]):
        assert "GOOD: the key can work." in look("--env-file", str(pipe))


def test_a_pipe_that_nobody_writes_to(tmp_path, monkeypatch, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(files, "_PATIENCE", 0.0)
    with pytest.raises(SystemExit) as exited:
        main(["check", "--env-file", str(pipe)])
    assert exited.value.code == 64
    assert "nothing could be read within 0 s. Expected a file" in capsys.readouterr().err
    with pipe.open("wb"):  # lets the thread that reads it end
        pass


def test_a_large_file(tmp_path, facts):
    """Its lines are counted once, and not from the start for each of them."""
    file = tmp_path / ".env"
    file.write_text("A=b\n" * 100_000 + f"'\nTOGETHER_API_KEY={OTHER}\n")
    found = facts("--env-file", str(file))
    assert found["env_file"]["skipped_lines"] == [100_001]


# ── the page ─────────────────────────────────────────────────────────────────────────

PAGE = CHECKOUT / "docs" / "how-to" / "check.md"


def test_the_pages_outcomes():
    """Each is in the row of its exit code."""
    section = PAGE.read_text(encoding="utf-8").partition("| `live.outcome` |")[2]
    rows = re.findall(r"^\| (\d+) \|.*\| (.*?) ?\|$", section.partition("\n\n")[0], re.MULTILINE)
    listed = {int(code): set(re.findall(r"`(\w+)`", names)) for code, names in rows}
    assert listed[0] | listed[1] | listed[2] == set(REMEDIES)
    assert listed[2] == {outcome for outcome, remedy in REMEDIES.items() if remedy}
    assert not listed[64]
