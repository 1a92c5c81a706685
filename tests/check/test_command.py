"""`together-otel check` without --live: what it says, its JSON, its exit codes."""

import json
import os
import re
import subprocess
from pathlib import Path
from unittest import mock

import pytest
from dotenv import load_dotenv

from together_otel.cli import main
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


def test_a_good_key(key, capsys):
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("GOOD: the key can work.\n")
    assert "a Together key, 50 characters" in out
    assert "was not asked" in out
    assert key[7:15] not in out


def test_a_key_that_cannot_work(key, monkeypatch, capsys):
    """Exit code 1, the cause, every problem in words, the remedy; the same as JSON."""
    monkeypatch.setenv("TOGETHER_API_KEY", f' "{key}"\n')
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("BAD: the key cannot work (malformed).\n")
    for words in ("contains a newline", "has spaces around it", "has quotes around it"):
        assert words in out
    assert main(["check", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["can_work"], found["cause"]) == (False, "malformed")
    assert found["problems"] == ["surrounding_whitespace", "newline", "quoted"]
    assert key[7:15] not in out + json.dumps(found)


def test_no_key(capsys):
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    assert "BAD: the key cannot work (missing)." in out
    assert "TOGETHER_API_KEY is not set" in out


def test_an_unknown_shape(monkeypatch, capsys):
    """It may be right, and is not called good without a word."""
    monkeypatch.setenv("TOGETHER_API_KEY", "an-opaque-token-9431")
    assert main(["check"]) == 0
    assert "GOOD, perhaps: the key may work." in capsys.readouterr().out


@pytest.mark.parametrize("value", ["/run/secrets/together/api-key", "file:/run/secrets/together"])
def test_a_path_in_place_of_a_key(value, monkeypatch, capsys):
    """Somebody expects that the file is read."""
    monkeypatch.setenv("TOGETHER_API_KEY", value)
    assert main(["check"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "holds a path or a reference to a key, not the key" in out
    assert "secrets" not in out


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


def test_json_has_every_field_always(key, monkeypatch, capsys):
    """One object, on one line; the page of the command tells its fields."""
    outs = []
    for value in (key, "", "an-opaque-token-9431"):
        monkeypatch.setenv("TOGETHER_API_KEY", value)
        main(["check", "--json"])
        outs.append(capsys.readouterr().out)
    monkeypatch.delenv("TOGETHER_API_KEY")
    main(["check", "--json"])
    outs.append(capsys.readouterr().out)
    assert all(out.count("\n") == 1 and set(json.loads(out)) == FIELDS for out in outs)
    page = PAGE.read_text(encoding="utf-8")
    assert {f"`{field}`" for field in FIELDS | LIVE} <= set(re.findall("`[a-z_]+`", page))


def test_fingerprints_can_be_switched_off(key, monkeypatch, capsys):
    main(["check", "--json"])
    assert len(json.loads(capsys.readouterr().out)["fingerprint"]) == 8
    monkeypatch.setenv("TOGETHER_OTEL_FINGERPRINT", "off")
    main(["check", "--json"])
    assert json.loads(capsys.readouterr().out)["fingerprint"] is None
    assert key


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
            "OPENAI_API_KEY is a key of OpenAI, and went to Together because TOGETHER_API_KEY is unset",
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
def test_another_client(client, environment, cause, says, key, monkeypatch, capsys):
    """What is checked are the variables that it reads, in its order."""
    monkeypatch.delenv("TOGETHER_API_KEY")
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("{key}", key))
    assert main(["check", "--client", client]) == (cause is not None)
    assert says in " ".join(capsys.readouterr().out.split())
    main(["check", "--client", client, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["client"], found["cause"]) == (client, cause)


def test_file_of_another_client(key, tmp_path, monkeypatch, capsys):
    """A file's variable is the one that the client reads."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(f"OPENAI_API_KEY={key}\n")
    assert main(["check", "--client", "openai", "--env-file", ".env"]) == 0
    assert "OPENAI_API_KEY of .env" in " ".join(capsys.readouterr().out.split())
    assert main(["check", "--env-file", ".env"]) == 0
    assert "The file does not set TOGETHER_API_KEY." in " ".join(capsys.readouterr().out.split())


def test_a_client_that_is_not_known(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["check", "--client", "opanai"])
    assert caught.value.code == 64
    assert "opanai" in capsys.readouterr().err


# ── look-alikes ──────────────────────────────────────────────────────────────────────


def test_lookalikes(key, monkeypatch, capsys):
    """Each that is set, though the key is good: its shape, and whether it is the same key."""
    monkeypatch.setenv("TOGETHERAI_API_KEY", key)
    monkeypatch.setenv("TOGETER_API_KEY", OTHER + "\n")
    monkeypatch.setenv("TOGETHER_TOKEN", "")
    monkeypatch.setenv("OPENAI_API_KEY", "sk" + "-" + "a1B2" * 10)
    monkeypatch.setenv("TOGETHER_LOG", "debug")
    assert main(["check", "--json"]) == 0
    out = capsys.readouterr().out
    found = {one.pop("variable"): one for one in json.loads(out)["lookalikes"]}
    assert {name: (one["format"], one["same_key"]) for name, one in found.items()} == {
        "OPENAI_API_KEY": ("other_provider", False),
        "TOGETER_API_KEY": ("damaged", False),
        "TOGETHERAI_API_KEY": ("tgp_v1", True),
        "TOGETHER_TOKEN": ("none", False),
    }
    assert main(["check"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "TOGETHERAI_API_KEY: a Together key, 50 characters, the same key" in text
    assert "OPENAI_API_KEY: a key of OpenAI, 43 characters, another value" in text
    assert "TOGETHER_TOKEN: empty" in text
    assert not any(stretch in out + text for stretch in (key[7:15], OTHER[7:15], "a1B2a1B2"))


def test_a_header_that_takes_the_keys_place(key, monkeypatch, capsys):
    monkeypatch.setenv("TOGETHER_CUSTOM_HEADERS", f"X-A: b\nAuthorization: Bearer {OTHER}")
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert "TOGETHER_CUSTOM_HEADERS sets Authorization" in out
    assert OTHER[7:15] not in out
    assert key[7:15] not in out


# ── --env-file ───────────────────────────────────────────────────────────────────────


def test_a_key_from_a_file(tmp_path, monkeypatch, capsys):
    """As python-dotenv reads it, and told as what it is."""
    monkeypatch.chdir(tmp_path)
    file = Path(".env")
    file.write_text(f"# ours\nexport TOGETHER_API_KEY='{OTHER}'  # new\nnonsense = = '\n")
    assert main(["check", "--env-file", str(file)]) == 0
    assert "TOGETHER_API_KEY of .env\n" in capsys.readouterr().out
    assert main(["check", "--json", "--env-file", str(file)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["env_file"] == {
        "path": str(file),
        "holds_key": True,
        "used": True,
        "skipped_lines": [],
    }
    assert (found["source"], found["variable"]) == ("environment", "TOGETHER_API_KEY")


def test_the_environment_wins(key, tmp_path, capsys):
    file = tmp_path / ".env"
    file.write_text(f"TOGETHER_API_KEY={OTHER}\n'\n")
    assert main(["check"]) == 0
    alone = capsys.readouterr().out
    assert main(["check", "--env-file", str(file)]) == 0
    out = capsys.readouterr().out
    assert next(line for line in alone.splitlines() if "fingerprint" in line) in out
    assert "of the environment" in out
    text = " ".join(out.split())
    assert "the environment takes precedence" in text
    assert "line 2 of the file." in text
    assert key[7:15] not in out


def test_a_file_without_a_key(tmp_path, capsys):
    """Its look-alikes are looked for, too."""
    file = tmp_path / ".env"
    file.write_text(f"TOGETHER_KEY={OTHER}\n")
    assert main(["check", "--env-file", str(file)]) == 1
    out = capsys.readouterr().out
    assert "TOGETHER_KEY: a Together key, 50 characters\n" in out
    text = " ".join(out.split())
    assert "(wrong_variable)" in text
    assert "rename it to TOGETHER_API_KEY" in text
    assert "The file does not set TOGETHER_API_KEY." in text


@pytest.mark.parametrize("marks", ["\ufeff", "\ufeff\ufeff"])
def test_a_file_with_a_byte_order_mark(marks, tmp_path, capsys):
    """Good only if `load_dotenv()` drops the mark; else part of a name, and named as what it is."""
    file = tmp_path / ".env"
    file.write_text(f"{marks}TOGETHER_API_KEY={OTHER}\n", encoding="utf-8")
    with mock.patch.dict(os.environ, clear=True):
        load_dotenv(file)
        loaded = "TOGETHER_API_KEY" in os.environ
    assert main(["check", "--env-file", str(file)]) == (0 if loaded else 1)
    out = " ".join(capsys.readouterr().out.split())
    assert ("byte-order mark" in out) is not loaded
    assert ("\\ufeffTOGETHER_API_KEY" in out) is not loaded


def test_a_name_without_a_value(tmp_path, capsys):
    """It sets nothing, and a reference to it is empty, whatever its default."""
    file = tmp_path / ".env"
    file.write_text(f"SPARE\nTOGETHER_API_KEY=${{SPARE:-{OTHER}}}\n")
    assert main(["check", "--env-file", str(file)]) == 1
    assert "(empty)" in capsys.readouterr().out
    file.write_text("TOGETHER_API_KEY\n")
    assert main(["check", "--env-file", str(file)]) == 1
    assert "The file does not set TOGETHER_API_KEY." in " ".join(capsys.readouterr().out.split())


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
    ):
        with pytest.raises(SystemExit) as exited:
            main(["check", "--json", "--env-file", str(path)])
        assert exited.value.code == 64
        said = capsys.readouterr()
        assert why in said.err
        assert "Expected a file of NAME=value lines" in said.err
        assert "Traceback" not in said.err
        assert OTHER[7:15] not in said.err
        assert not said.out


def test_no_file_is_named(capsys):
    """A variable that is not set, in a script: said as what it is."""
    with pytest.raises(SystemExit) as exited:
        main(["check", "--env-file", ""])
    assert exited.value.code == 64
    assert "the path is empty. Expected the path of a file" in capsys.readouterr().err


def test_a_file_that_is_a_pipe(tmp_path, capsys):
    """What decrypts a file writes into one: ``--env-file <(sops decrypt .env)``."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["/bin/sh", "-c", f"echo TOGETHER_API_KEY={OTHER} > {pipe}"]):
        assert main(["check", "--env-file", str(pipe)]) == 0
    assert "GOOD: the key can work." in capsys.readouterr().out


def test_a_large_file(tmp_path, capsys):
    """Its lines are counted once, and not from the start for each of them."""
    file = tmp_path / ".env"
    file.write_text("A=b\n" * 100_000 + f"'\nTOGETHER_API_KEY={OTHER}\n")
    assert main(["check", "--json", "--env-file", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["env_file"]["skipped_lines"] == [100_001]


# ── usage ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("arguments", [[], ["chek"], ["check", "--jsn"], ["check", "--env-file"]])
def test_usage(arguments, capsys):
    """Exit code 64, what was expected, no traceback."""
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 64
    assert "usage: together-otel" in capsys.readouterr().err


def test_a_key_in_the_wrong_place_is_not_repeated(key, capsys):
    """As an argument, where only its variable's value belongs."""
    with pytest.raises(SystemExit):
        main(["check", key])
    said = capsys.readouterr().err
    assert "unrecognized arguments" in said
    assert key[7:15] not in said


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
