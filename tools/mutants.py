# python tools/mutants.py [NAME…]
"""Changes the code as mutmut does, and compares what no test notices with what is listed.

Ends with 1 when a change that no test notices is not in tests/mutants.txt, or when one that is
listed there is noticed now; with names, as mutmut takes them (``together_otel.keys.hosts*``),
only the former. mutmut makes the changes and names them. The tests are collected once, in this
process; each change is tried in a fork of it, by the tests that run its function, those first that
noticed the changes before: mutmut itself collects them anew for each of 3,000 changes.
"""

import gc
import json
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from mmap import mmap
from pathlib import Path

import click
import pytest
from mutmut import __main__ as generation
from mutmut.configuration import config
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

LISTED = Path("tests/mutants.txt")
AT_ONCE = 2
OWN_TESTS = {"together_otel.keys.": "tests/keys/"}
"""What is pure is tried by its own tests only: others reach it through a whole request."""
_RECENT = 20
"""Tests that are tried first as they noticed the changes before."""
_FAILED, _BROKEN = 1, 2
"""How a fork ends when a test failed, and when it could not run them."""


class Trial:
    """A plugin of pytest that runs the tests once, and then those that a change may fail.

    Args:
        names: of the changes.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.unnoticed: list[str] = []
        self._reach: defaultdict[str, list[pytest.Item]] = defaultdict(list)
        self._seconds: dict[str, float] = {}
        self._running: dict[int, str] = {}
        self._noticed: list[pytest.Item] = []
        self._by = mmap(-1, 8)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests as they are, noting which functions each of them reaches; try changes."""
        self._observe(session)
        self._start(session, "", session.items)
        while self._running:
            self._wait(session)
        if not self.unnoticed:
            raise session.Failed("the tests fail in a fork without any change")
        self.unnoticed.clear()
        gc.collect()
        gc.freeze()
        with click.progressbar(self.names, show_pos=True) as names:
            for name in names:
                if tests := self._tests_of(name):
                    self._start(session, name, tests)
                else:
                    self.unnoticed.append(name)
        while self._running:
            self._wait(session)
        return True

    def _observe(self, session: pytest.Session) -> None:
        set_mutant_under_test("stats")
        for item, following in _pairs(session.items):
            started = time.process_time()
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            self._seconds[item.nodeid] = time.process_time() - started
            for function in state()._stats:  # noqa: SLF001 - where mutmut's own runner reads it
                self._reach[function].append(item)
            state()._stats.clear()  # noqa: SLF001 - likewise
        if session.testsfailed:
            raise session.Failed("the tests fail without any change")

    def _start(self, session: pytest.Session, name: str, tests: list[pytest.Item]) -> None:
        while len(self._running) == AT_ONCE:
            self._wait(session)
        if child := os.fork():
            self._running[child] = name
        else:
            self._try(session, name, tests)

    def _wait(self, session: pytest.Session) -> None:
        child, status = os.wait()
        name = self._running.pop(child, None)
        if name is None:
            return  # a test's own, that it left behind
        if status == 0:
            self.unnoticed.append(name)
        elif os.WIFEXITED(status) and os.WEXITSTATUS(status) != _FAILED:
            raise RuntimeError(f"{name or 'no change'} could not be tried")
        else:
            item = session.items[int.from_bytes(self._by[:], "big")]
            self._noticed = [item, *(one for one in self._noticed if one is not item)][:_RECENT]

    def _tests_of(self, name: str) -> list[pytest.Item]:
        by_file: defaultdict[Path, list[pytest.Item]] = defaultdict(list)
        for one in self._reach[name.rpartition("__mutmut_")[0]]:
            if one.nodeid.startswith(own_tests(name)):
                by_file[one.path].append(one)
        tests = [one for some in sorted(by_file.values(), key=self._cost) for one in some]
        recent = [one for one in self._noticed if one in tests]
        return [*recent, *(one for one in tests if one not in recent)]

    def _cost(self, tests: Sequence[pytest.Item]) -> float:
        return sum(self._seconds[one.nodeid] for one in tests)

    def _try(self, session: pytest.Session, name: str, tests: list[pytest.Item]) -> None:
        """End this process with 0 if the tests pass; one that runs on is ended by the kernel."""
        try:
            plugins = session.config.pluginmanager
            plugins.unregister(plugins.getplugin("terminalreporter"))
            session.config.option.tbstyle = "no"
            resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
            set_mutant_under_test(name)
            for item, following in _pairs(tests):
                signal.setitimer(signal.ITIMER_PROF, 1 + 10 * self._seconds[item.nodeid])
                session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    self._by[:] = session.items.index(item).to_bytes(8, "big")
                    os._exit(_FAILED)
            os._exit(0)
        finally:
            os._exit(_BROKEN)


def _pairs(tests: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    """Return each test and the one after it."""
    return zip(tests, [*tests[1:], None], strict=True)


def own_tests(name: str) -> str:
    """Return the folder of the only tests that are to try a change, or nothing."""
    return next((place for start, place in OWN_TESTS.items() if name.startswith(start)), "")


def told(name: str) -> str:
    """Return a change by what it changes: its number changes with the function."""
    lines = get_diff_for_mutant(name).splitlines()[2:]
    was, becomes = (" ⏎ ".join(one[1:].strip() for one in lines if one[0] == sign) for sign in "-+")
    function = (
        name.rpartition("__mutmut_")[0].replace("xǁ", "").replace("ǁ", ".").replace(".x_", ".")
    )
    return f"{function}: {was} → {becomes}"


def changes(patterns: Sequence[str]) -> list[str]:
    """Write the changed code to mutants/, and return the names of the changes."""
    set_mutant_under_test("mutant_generation")
    Path("mutants").mkdir(exist_ok=True)
    generation.copy_src_dir()
    generation.copy_also_copy_files()
    generation.setup_source_paths()
    generation.create_mutants(AT_ONCE)
    names = [
        name
        for meta in sorted(Path("mutants").rglob("*.meta"))
        for name in json.loads(meta.read_text())["exit_code_by_key"]
    ]
    return [one for one in names if not patterns or any(fnmatch(one, sub) for sub in patterns)]


def main(patterns: list[str]) -> int:
    """Run and compare."""
    trial = Trial(changes(patterns))
    root = Path.cwd()
    os.chdir("mutants")
    options = ["--rootdir=.", "-q", "-p", "no:cacheprovider", *config().pytest_add_cli_args]
    places = {own_tests(name) for name in trial.names}
    if "" in places:
        places = config().pytest_add_cli_args_test_selection
    code = pytest.main([*options, *places], plugins=[trial])
    os.chdir(root)
    if code or not trial.names:
        return 1
    found = {told(name) for name in trial.unnoticed}
    listed = {line for line in LISTED.read_text().splitlines() if line and not line.startswith("#")}
    new, old = sorted(found - listed), [] if patterns else sorted(listed - found)
    print(
        *(f"not noticed: {one}" for one in new), *(f"noticed now: {one}" for one in old), sep="\n"
    )
    print(f"{len(trial.names):,} changes, {len(found)} not noticed, {len(new)} of them not listed")
    return 1 if new or old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
