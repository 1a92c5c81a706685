# python tools/mutants.py [NAME…]
"""Run mutation tests with mutmut's mutants and compare the surviving ones with a list.

Exits with 1 if a surviving mutant is not in tests/mutants.txt, or if a mutant listed there is
killed now. With patterns of mutants' names as mutmut takes them (``together_otel.keys.hosts*``),
only the former is checked. mutmut generates and names the mutants. The tests are collected once,
as mutmut itself would collect them for each of 3,000 mutants. Each mutant is tried in a fork of
this process with the tests that run its function, first those that killed the previous mutants.
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
EXAMPLE = "together_otel.keys.hosts*"
AT_ONCE = 2
OWN_TESTS = {"together_otel.keys.": "tests/keys/"}
"""Pure packages are tried with their own tests only: others reach them through a whole request."""
_RECENT = 20
"""Number of tests that killed the previous mutants and are tried first."""
_FAILED, _BROKEN = 1, 2
"""Exit codes of a fork if a test failed, and if the tests could not be run."""


class Trial:
    """pytest plugin that runs all tests, and then for each mutant the tests that may kill it."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.unnoticed: list[str] = []
        self._reach: defaultdict[str, list[pytest.Item]] = defaultdict(list)
        self._seconds: dict[str, float] = {}
        self._running: dict[int, str] = {}
        self._noticed: list[pytest.Item] = []
        self._by = mmap(-1, 8)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run all tests without a mutant, recording the functions that each runs; try the mutants."""
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
            state()._stats.clear()  # noqa: SLF001 - as above
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
            return  # a child process that a test left behind
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
        """Exit with 0 if the tests pass; the kernel kills a process that exceeds its time."""
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
    """Return pairs of each test and the next one."""
    return zip(tests, [*tests[1:], None], strict=True)


def own_tests(name: str) -> str:
    """Return the folder of the only tests to try a mutant with, or ``""`` for all tests."""
    return next((place for start, place in OWN_TESTS.items() if name.startswith(start)), "")


def told(name: str) -> str:
    """Return a mutant's description by its diff, as its number may change with the function."""
    lines = get_diff_for_mutant(name).splitlines()[2:]
    was, becomes = (" ⏎ ".join(one[1:].strip() for one in lines if one[0] == sign) for sign in "-+")
    function = (
        name.rpartition("__mutmut_")[0].replace("xǁ", "").replace("ǁ", ".").replace(".x_", ".")
    )
    return f"{function}: {was} → {becomes}"


def changes(patterns: Sequence[str]) -> list[str]:
    """Write the mutated code to mutants/ and return the names of the mutants."""
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
    """Try the mutants, compare the surviving ones with the list and return the exit code."""
    if not (names := changes(patterns)):
        print(f"no mutant is named {' or '.join(patterns)}, such as {EXAMPLE}", file=sys.stderr)
        return 1
    trial = Trial(names)
    root = Path.cwd()
    os.chdir("mutants")
    options = ["--rootdir=.", "-q", "-p", "no:cacheprovider", *config().pytest_add_cli_args]
    places = {own_tests(name) for name in trial.names}
    if "" in places:
        places = config().pytest_add_cli_args_test_selection
    code = pytest.main([*options, *places], plugins=[trial])
    os.chdir(root)
    if code:
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
