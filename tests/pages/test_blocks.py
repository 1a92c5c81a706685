"""Every fenced block of README.md and of the documentation works, in a fresh environment."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pages.blocks import blocks, shows
from processes import run_to_end
from prometheus_binaries import require

from together_otel.testing.ports import free_port
from together_otel.testing.programs import relocated

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Written by tools/readme.py of what the commands themselves say.
GENERATED = ROOT / "docs" / "reference" / "command-line.md"
INSTALLING = (ROOT / "README.md", ROOT / "docs" / "tutorial.md")
SECONDS = 60  # what a block may take
PORTS = ("8000", "8099", "9090", "9093", "9095", "9464", "9465")
AGAIN = 0.2  # seconds between two looks at what changes by itself


@pytest.fixture(scope="session")
def fresh(tmp_path_factory, worker_id):  # noqa: ARG001 - one environment a process
    """A virtual environment with nothing but a client, and where the package's wheel is."""
    folder = tmp_path_factory.mktemp("fresh")
    dist = folder / "dist"
    for command in (
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist],
        [sys.executable, "-m", "venv", folder / "venv"],
        [folder / "venv/bin/pip", "install", "--quiet", "together==3.1.1"],
    ):
        done = run_to_end(command, cwd=ROOT, env=environment(), timeout=None)
        assert done.returncode == 0, done.stderr
    return folder


def environment(**more):
    """Return this process's variables without what the tests set for their own."""
    own = ("COVERAGE", "OTEL", "PROMETHEUS", "PYTEST", "SSL_CERT_FILE", "TOGETHER")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more}


def programs(folder):
    """Return a folder with Prometheus' programs under the names that they have upstream."""
    (folder / ".programs").mkdir()
    for name in ("alertmanager", "prometheus", "promtool"):
        found = require(name)
        if name == "alertmanager":
            found = relocated(found, folder)
        (folder / ".programs" / name).symlink_to(found)
    return folder / ".programs"


class Reader:
    """Does what a page says, in one shell session a page: what a block exports, the next one has."""

    def __init__(self, fresh, folder):
        self.folder = folder
        # The ports that pages name, and free ones.
        self.ports = {port: str(free_port()) for port in PORTS}
        self.running = contextlib.ExitStack()
        self.environment = environment(
            PATH=os.pathsep.join(
                (str(fresh / "venv/bin"), str(programs(folder)), os.environ["PATH"])
            ),
            PIP_FIND_LINKS=str(fresh / "dist"),
            VIRTUAL_ENV=str(fresh / "venv"),
            HOME=str(folder),
            PROJECT=str(ROOT),
            OTEL_EXPORTER_PROMETHEUS_PORT=str(self.ports["9464"]),
            PYTHONUNBUFFERED="1",
        )

    def here(self, text):
        """Return a text with the ports that are free here."""
        return re.sub("|".join(PORTS), lambda match: self.ports[match[0]], text)

    def follow(self, block):
        """Do what one block says.

        Raises:
            AssertionError: when it fails, or does not print what the page shows.
        """
        if block.how.startswith("not run: "):
            return
        if block.how.startswith("checked by "):
            self.run(block.how.removeprefix("checked by "), given=block.text)
        elif block.how.startswith("prints, as "):
            command = block.how.removeprefix("prints, as ").removesuffix(" does")
            self.expect(command, block.text)
        elif block.title:
            (self.folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / block.title).write_text(self.here(block.text), encoding="utf-8")
        elif block.language == "python":
            self.run("python -", given=block.text)
        elif block.language == "sh" and block.how == "background":
            self.start(block)
        elif block.language == "sh":
            self.run(block.text, exports=True)
        elif block.language == "console":
            for command, shown in block.commands():
                self.expect(command, shown)
        else:
            pytest.fail(f"{block.language!r} of line {block.line} needs a comment that says how")

    def start(self, block):
        """Start what runs until the page's end; its output goes to a file."""
        log = self.running.enter_context((self.folder / f"{block.line}.log").open("w"))
        process = subprocess.Popen(
            ["/bin/sh", "-c", self.here(block.text)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

        def end():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(SECONDS)

        self.running.callback(end)

    def run(self, command, *, given=None, exports=False, check=True):
        """Run a command to its end; return what it prints. Keep what it exports, if asked."""
        after = "\nprintf '\\0'; env -0" if exports else ""
        done = run_to_end(
            ["/bin/sh", "-ec", self.here(command) + after],
            cwd=self.folder,
            env=self.environment,
            input=self.here(given or ""),
            timeout=SECONDS * 3,
        )
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if exports:
            _, _, variables = done.stdout.partition("\0")
            self.environment = dict(one.split("=", 1) for one in variables.split("\0") if one)
        return done.stdout + done.stderr

    def expect(self, command, shown):
        """Run a command until it prints what the page shows: what it looks at may take a moment."""
        until = time.monotonic() + SECONDS
        while not shows(shown, printed := self.run(command, check=False)):
            if time.monotonic() > until:
                logs = "".join(log.read_text()[-2000:] for log in self.folder.glob("*.log"))
                pytest.fail(f"$ {command}\n{printed}\nis not\n{shown}\n{logs}")
            time.sleep(AGAIN)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page != GENERATED and blocks(page)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_blocks(page, fresh, tmp_path):
    """What a page tells its reader to do works from top to bottom, and prints what it shows."""
    reader = Reader(fresh, tmp_path)
    if page not in INSTALLING:
        reader.run("pip install -q 'together-otel[zero-code]'")
    with reader.running:
        # A page may show first what only works once it is installed.
        for block in sorted(blocks(page), key=lambda block: block.how.startswith("prints")):
            reader.follow(block)


def test_a_block_that_is_not_run_says_why():
    """Docker, a cluster or a real key: nothing else is a reason."""
    for page in PAGES:
        for block in blocks(page):
            if block.how.startswith("not run: "):
                reason = block.how.removeprefix("not run: ")
                assert any(one in reason for one in ("Docker", "cluster", "real key")), page
