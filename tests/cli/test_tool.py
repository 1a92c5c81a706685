"""`together-otel` as one tool: what all of its commands have in common."""

import json
import shutil
import subprocess
import sys

import pytest
from processes import run_to_end
from terminals import on_a_terminal

from together_otel.cli import COMMANDS, main

PROGRAM = [sys.executable, "-m", "together_otel"]


def usage_error(*arguments, capsys):
    """Return what is said of arguments that are not understood."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 64
    return capsys.readouterr().err


@pytest.mark.parametrize("module", ["together_otel", "together_otel.cli"])
def test_either_module_starts_the_command(module):
    """Scripts written for 0.1.0 start the second."""
    command = [sys.executable, "-m", module, "explain", "revoked"]
    assert "Make a new key" in subprocess.check_output(command, text=True)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_screen_and_ends_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*filter(None, [command]), "--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    example = "\n".join(lines).partition("example")[2]
    assert f"together-otel {command}".strip() in example
    assert "exit codes" not in example


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["chek"], "check"),
        (["doktor"], "doctor"),
        (["check", "--lvie"], "--live"),
        (["doctor", "--scarpe=http://x"], "--scrape"),
        (["drill", "--cause", "revokd"], "revoked"),
        (["export", "monitoring", "--only", "rule"], "rules"),
        (["explain", "revokd"], "revoked"),
        (
            ["doctor", "--", "opentelemetry-instrument", "--metric_exporter", "otlp", "python"],
            "--metrics_exporter",
        ),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_the_nearest_is_named(arguments, meant, capsys):
    """Of commands, options, choices and the launcher's own flags, with the usage of the command."""
    said = usage_error(*arguments, capsys=capsys)
    program = f"together-otel {arguments[0]}" if arguments[0] in COMMANDS else "together-otel"
    if "--" in arguments:
        program = "opentelemetry-instrument"
    assert said.startswith(f"usage: {program} ")
    assert said.endswith(f"; did you mean {meant}? Try {program} --help.\n")


def test_what_is_near_nothing(capsys):
    assert "did you mean" not in usage_error("xyzzy", capsys=capsys)


def test_a_misspelt_option_that_is_required(capsys):
    """It is not missing: it is misspelt."""
    said = usage_error("drill", "--cuase=revoked", capsys=capsys)
    assert "unrecognized arguments: --cuase=revoked; did you mean --cause?" in said
    assert "unrecognized arguments: --verison; did" in usage_error("--verison", capsys=capsys)
    assert "arguments are required: --cause" in usage_error("drill", "--js", capsys=capsys)


def test_usage_error_gives_a_terminal_no_orders(capsys):
    said = usage_error("check", "--env-file", "/nowhere/\x1b[2J", capsys=capsys)
    assert "/nowhere/\\x1b[2J" in said


@pytest.mark.parametrize(("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_on_a_terminal(more, coloured):
    """And only there: every other test reads text without them."""
    code, shown, _ = on_a_terminal([*PROGRAM, "check"], asks=(), env={"TERM": "xterm", **more})
    assert code == 1
    assert ("\x1b[31mBAD: the key cannot work (missing).\x1b[0m" in shown) is coloured
    assert ("\x1b" in shown) is coloured


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["check"], dict),
        (["doctor", "--scrape", "http://127.0.0.1:1/metrics"], list),
        (["export", "{}"], list),
        (["explain"], list),
        (["explain", "revoked"], dict),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_json(arguments, kind, tmp_path, capsys):
    """The whole of standard output; `test_drill` and `test_demo` have the other two."""
    words = [word.format(tmp_path / "monitoring") for word in arguments]
    plain = main(words)
    capsys.readouterr()
    force = ["--force"] if arguments[0] == "export" else []
    assert main([*words, "--json", *force]) == plain
    assert type(json.loads(capsys.readouterr().out)) is kind


COMPLETED = """
source /dev/stdin
COMP_WORDS=(together-otel "$@"); COMP_CWORD=$#
_shtab_together_otel together-otel "${!#}"
echo "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [(["dr"], "drill"), (["drill", "--cause", "re"], "redirected revoked rejected")],
    ids=["command", "choice"],
)
def test_completion(typed, offered, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "bash"])
    assert not ended.value.code
    done = run_to_end(
        [shutil.which("bash"), "-c", COMPLETED, "bash", *typed],
        input=capsys.readouterr().out,
        check=True,
    )
    assert done.stdout.strip() == offered


def test_completion_without_its_library(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    said = usage_error("--print-completion", "bash", capsys=capsys)
    assert "pip install 'together-otel[cli]'" in said


def test_only_the_command_that_is_asked_for_is_loaded():
    """`check` in a HEALTHCHECK does not wait for what the drill needs."""
    done = run_to_end(
        [
            *(sys.executable, "-c"),
            "import sys, together_otel.cli as c; c.main(['check']); print(*sys.modules)",
        ],
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "together_otel.cli.check.command" in loaded
    assert not loaded & {"together_otel.cli.drill", "together_otel.rules", "opentelemetry.sdk"}
