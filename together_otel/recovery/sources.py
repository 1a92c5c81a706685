"""Where another key may come from.

A source gives what it finds; whether that is a key, and a new one, is for `search` to tell.
What goes wrong in one is told by its class alone: texts of errors, and what a command writes to
stderr, may hold a key.
"""

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from together_otel.names import KEY_VARIABLE, RecoverySource
from together_otel.recovery.dotenv import DOTENV_LARGEST, parse
from together_otel.recovery.terminal import ask
from together_otel.recovery.watching import WatchedFile, read_text

LIMIT: Final = 10.0
"""Seconds that a source may take; a prompt takes as long as its reader does."""

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0

_OUTPUT_LIMIT: Final = 16_384
_DOTENV: Final = ".env"


@dataclass(eq=False)
class Source:
    """One place to get a key from; made by the functions of `together_otel.recovery`.

    Attributes:
        kind: what it is called in telemetry.
        look: returns a key, several, ``None``, or an awaitable of one of these.
        limit: seconds that it may take; ``None`` for a person.
        instant: whether it has never to wait, so that it may be asked on an event loop.
        watched: the file behind it, if it is one.
        clock: returns seconds.
        overdue: where it was asked and has taken too long.
    """

    kind: RecoverySource
    look: Callable[[], Any] = field(repr=False)
    limit: float | None = LIMIT
    instant: bool = False
    watched: WatchedFile | None = field(default=None, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    overdue: threading.Thread | None = field(default=None, init=False, repr=False)
    _rests_until: float = field(default=float("-inf"), init=False, repr=False)
    _pause: float = field(default=_FIRST_PAUSE, init=False, repr=False)

    @property
    def rests(self) -> bool:
        """Whether it is left in peace for now: it had nothing, and asking it takes its time."""
        return not self.instant and self.limit is not None and self.clock() < self._rests_until

    def answered(self, *, found: bool) -> None:
        """Note whether it had a new key; one that had none rests, longer each time."""
        if found:
            self._rests_until, self._pause = float("-inf"), _FIRST_PAUSE
        else:
            self._rests_until = self.clock() + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)


def prompt(text: str = "Together refuses the API key. Another one: ") -> Source:
    """Ask for a key on the terminal, or under a notebook's cell, without an echo.

    Where the process has neither, or is in its background, nobody is asked. What cannot be a
    key is asked for again, three times in all.

    Args:
        text: the question.
    """
    return Source("prompt", partial(ask, text), limit=None)


def environment(
    variable: str = KEY_VARIABLE, *, dotenv: str | os.PathLike[str] | None = _DOTENV
) -> Source:
    """Read an environment variable again, and the file that it may have come from.

    Args:
        variable: its name.
        dotenv: a file of ``NAME=value`` lines, looked for in the working directory; may be
            absent. ``None`` to read none.
    """
    return Source("environment", partial(_variable, variable, dotenv), instant=True)


def file(path: str | os.PathLike[str]) -> Source:
    """Read a file that holds a key and nothing else: a mounted secret.

    Clients whose key is one that the file held before use the new one as soon as the file
    changes, before the old one is refused.

    Args:
        path: the file; Kubernetes' symbolic links are followed.
    """
    watched = WatchedFile(Path(path))
    return Source("file", watched.read, instant=True, watched=watched)


def command(words: Sequence[str], *, limit: float = LIMIT) -> Source:
    """Run a secret manager's command line and take its output.

    Without a shell, without a terminal. Its process group is killed when the time is over.

    Args:
        words: the program and its arguments.
        limit: seconds that it may take.

    Raises:
        TypeError: when it is one text: there is no shell that would take it apart.
    """
    if isinstance(words, str):
        raise TypeError("command() takes a list of words, as there is no shell to split a text")
    return Source("command", partial(_run, tuple(words), limit), limit=limit)


def function(look: Callable[[], Any], *, limit: float = LIMIT) -> Source:
    """Call a function that returns a key or ``None``, sync or async.

    It runs in a thread of its own; an async one on the event loop of the call that failed, or
    on a loop of its own where that call is sync.

    Args:
        look: the function.
        limit: seconds that it may take.
    """
    return Source("function", look, limit=limit)


def as_sources(given: object) -> tuple[Source, ...]:
    """Return a chain of sources: of one, of a function, or of several of these.

    Raises:
        TypeError: when something else is among them; its text does not repeat it, as it may be
            a key.
    """
    if isinstance(given, Source):
        return (given,)
    if callable(given):
        return (function(given),)
    if isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        return tuple(source for one in given for source in as_sources(one))
    raise TypeError(
        f"recovery takes sources of together_otel.recovery and functions, not {type(given).__name__}"
    )


def from_setting(parts: Iterable[tuple[str, str]]) -> tuple[Source, ...]:
    """Return the sources that a setting names, each by its kind and what follows its colon."""
    made: dict[str, Callable[[str], Source]] = {
        "file": file,
        "command": lambda text: command(shlex.split(text)),
        "environment": lambda _: environment(),
        "prompt": lambda _: prompt(),
    }
    return tuple(made[kind](text) for kind, text in parts)


# ── environment ──────────────────────────────────────────────────────────────────────


def _variable(variable: str, dotenv: str | os.PathLike[str] | None) -> list[str]:
    found = [os.environ.get(variable, "")]
    if dotenv is not None:
        with suppress(FileNotFoundError):
            values = parse(read_text(Path(dotenv), DOTENV_LARGEST), os.environ).values
            found += [values[variable]] if variable in values else []
    return found


# ── command ──────────────────────────────────────────────────────────────────────────


def _run(words: tuple[str, ...], limit: float) -> str:
    with subprocess.Popen(  # noqa: S603 - the user's own words, and no shell
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        timer = threading.Timer(limit, _kill, [process])
        timer.daemon = True
        timer.start()
        try:
            output = process.stdout.read(_OUTPUT_LIMIT + 1) if process.stdout else b""
            if len(output) > _OUTPUT_LIMIT:
                raise ValueError("too much output")
            status = process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                _kill(process)
    if status:
        raise subprocess.CalledProcessError(status, words[0])
    return output.decode("utf-8-sig")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            # With what it has started: that would hold its output open.
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
