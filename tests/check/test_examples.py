"""`examples/checks/`: each file by its schema or structure, and the very command in it run.

There is neither a cluster nor Docker here: what they would run is run as they would run it, in the
environment that the file gives it, against a Together on loopback.
"""

import json
import os
import re
import shlex
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from processes import run_to_end

from together_otel.testing import TogetherServer, behaviours
from together_otel.testing.ports import free_port

ROOT = Path(__file__).parents[2]
CHECKS = ROOT / "examples" / "checks"
PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))


def run(command, **environ):
    """Run a command where the project's commands are found, with these variables and no others."""
    return run_to_end(command, cwd=ROOT, env={"PATH": PATH, **environ})


def codes(command, key):
    """Return how a command ends: with a good key, a refused one, a damaged one, and no answer."""
    with TogetherServer() as together:
        here = {"TOGETHER_API_KEY": key, "TOGETHER_BASE_URL": together.url}
        good = run(command, **here)
        assert "GOOD: the key works." in good.stdout
        assert len(together.requests) == 1
        together.always(behaviours.refuse())
        refused = run(command, **here)
        assert "BAD: the key is refused (rejected)." in refused.stdout
        damaged = run(command, **here | {"TOGETHER_API_KEY": key + "\n"})
        assert "BAD: the key cannot work (malformed)." in damaged.stdout
        assert len(together.requests) == 2
    nothing = f"http://127.0.0.1:{free_port()}"
    unknown = run(command, **here | {"TOGETHER_BASE_URL": nothing})
    assert "UNKNOWN: " in unknown.stdout
    runs = {"good": good, "refused": refused, "damaged": damaged, "unknown": unknown}
    assert not [name for name, done in runs.items() if key[7:15] in done.stdout + done.stderr]
    return {name: done.returncode for name, done in runs.items()}


def test_the_readme_names_every_file():
    """And each file's first line names the command that runs it, and so itself."""
    listed = re.findall(r"^\| \[(.*?)\]", (CHECKS / "README.md").read_text("utf-8"), re.MULTILINE)
    files = {path for path in CHECKS.rglob("*") if path.is_file() and path.name != "README.md"}
    assert {CHECKS / name for name in listed} == files
    for file in files:
        first = file.read_text(encoding="utf-8").partition("\n")[0]
        assert first.startswith("# ")
        assert file.relative_to(ROOT).as_posix() in first.split()


# ── Kubernetes ───────────────────────────────────────────────────────────────────────


def pod():
    """Return what the Deployment says of its pods."""
    loaded = yaml.safe_load((CHECKS / "kubernetes" / "deployment.yaml").read_text("utf-8"))
    return loaded["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", ["1.25", "1.35"])
def test_kubernetes_own_schema(version):
    loaded = yaml.safe_load((CHECKS / "kubernetes" / "deployment.yaml").read_text("utf-8"))
    kubernetes_validate.validate(loaded, version, strict=True)


def test_the_key_is_checked_where_it_is_used():
    """The same image and the same secret for the check and for the application."""
    (check,), (application,) = pod()["initContainers"], pod()["containers"]
    assert (check["image"], check["env"]) == (application["image"], application["env"])
    (variable,) = check["env"]
    assert variable["name"] == "TOGETHER_API_KEY"
    assert set(variable["valueFrom"]) == {"secretKeyRef"}


def test_the_init_container(key):
    """A rollout stops for a key that is refused or damaged, not for an outage."""
    (check,) = pod()["initContainers"]
    assert codes(check["command"], key) == {"good": 0, "refused": 1, "damaged": 1, "unknown": 0}


# ── Docker ───────────────────────────────────────────────────────────────────────────


def instructions():
    """Return the Dockerfile's instructions, the last of each kind."""
    text = (CHECKS / "Dockerfile").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    found = [line.partition(" ") for line in lines.replace("\\\n", " ").splitlines()]
    return {name: rest.strip() for name, _, rest in found}


def test_the_health_check(key):
    """Docker knows 0 and 1 only: what could not be found out is 0."""
    options, _, command = instructions()["HEALTHCHECK"].partition("CMD ")
    given = dict(word.removeprefix("--").split("=") for word in options.split())
    assert given["interval"] == "5m"
    assert int(given["timeout"].removesuffix("s")) > 5  # the command's own limit comes first
    # Shell form: Docker hands it to /bin/sh -c.
    shell = ["/bin/sh", "-c", command]
    assert codes(shell, key) == {"good": 0, "refused": 1, "damaged": 1, "unknown": 0}


def test_a_health_check_that_is_mistyped_is_not_healthy():
    _, _, command = instructions()["HEALTHCHECK"].partition("CMD ")
    assert run(["/bin/sh", "-c", command.replace("--live", "--life")]).returncode == 1


def test_the_images_packages():
    """Names, extras and versions of its command, as this environment has them."""
    words = [word for word in shlex.split(instructions()["RUN"])[1:] if word != "--no-cache-dir"]
    done = run([sys.executable, "-m", "pip", *words, "--dry-run", "--no-index"])
    assert done.returncode == 0, done.stderr
    assert "Would install" not in done.stdout


# ── before a deploy ──────────────────────────────────────────────────────────────────

STEP = ["sh", "examples/checks/predeploy.sh"]


def test_the_step_before_a_deploy(key):
    """What it says goes before why nothing was deployed."""
    assert codes(STEP, key) == {"good": 0, "refused": 1, "damaged": 1, "unknown": 2}


def test_a_deploy_without_an_answer(key):
    """Goes on if somebody says so; with a key that is refused, it does not even then."""
    nothing = f"http://127.0.0.1:{free_port()}"
    anyway = {"DEPLOY_UNCHECKED": "yes", "TOGETHER_BASE_URL": nothing}
    done = run(STEP, TOGETHER_API_KEY=key, **anyway)
    assert (done.returncode, done.stderr) == (
        0,
        "Going on without an answer: DEPLOY_UNCHECKED=yes.\n",
    )
    assert run(STEP, TOGETHER_API_KEY="", **anyway).returncode == 1


def test_a_deploy_with_a_file(key, tmp_path):
    """The key of the file; a file that is not there is a mistake of the call's."""
    file = tmp_path / "production.env"
    with TogetherServer(keys=[key]) as together:
        file.write_text(f"TOGETHER_API_KEY='{key}'\nTOGETHER_BASE_URL={together.url}\n")
        assert run([*STEP, str(file)]).returncode == 0
    done = run([*STEP, str(tmp_path / "absent.env")])
    assert done.returncode == 64
    assert "Not deployed: together-otel check ended with 64." in done.stderr


def test_the_pipelines_step_is_the_script():
    """And its key is a secret."""
    block = re.search(r"```yaml\n(.*?)```", (CHECKS / "README.md").read_text("utf-8"), re.DOTALL)
    assert block
    (step,) = yaml.safe_load(block[1])
    assert step["run"].split() == STEP
    assert step["env"] == {"TOGETHER_API_KEY": "${{ secrets.TOGETHER_API_KEY }}"}


# ── the command as a program ─────────────────────────────────────────────────────────


def test_json_is_all_there_is(key):
    """Nothing else on stdout, nothing on stderr, also when the request fails."""
    nothing = f"http://127.0.0.1:{free_port()}"
    done = run(
        ["together-otel", "check", "--live", "--json"],
        TOGETHER_API_KEY=key,
        TOGETHER_BASE_URL=nothing,
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert json.loads(done.stdout)["live"]["outcome"] == "connection_refused"


@pytest.mark.parametrize(
    ("absent", "code"), [(("together", "requests", "aiohttp"), 0), (("httpx",), 64)]
)
def test_without_the_sdk(absent, code, key):
    """It needs httpx and nothing else, and says so where that is not there; a look needs neither."""
    program = (
        "import sys\n"
        f"for name in {absent}: sys.modules[name] = None\n"
        "from together_otel.cli import main\n"
        "sys.exit(main(['check', *sys.argv[1:]]))\n"
    )
    with TogetherServer() as together:
        here = {"TOGETHER_API_KEY": key, "TOGETHER_BASE_URL": together.url}
        assert run([sys.executable, "-c", program], **here).returncode == 0
        assert not together.requests
        done = run([sys.executable, "-c", program, "--live"], **here)
        assert len(together.requests) == (code == 0)
    assert done.returncode == code
    assert done.stderr == (
        "together-otel check: --live needs httpx: pip install 'together-otel[cli]'\n"
        if code
        else ""
    )
