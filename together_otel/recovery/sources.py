"""Sources of keys.

A source returns what it finds; `search` decides whether that is a new key. Errors of a source are
reported by their class only, as error messages and a command's stderr may contain a key.
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
"""Default time limit of a source in seconds. Prompts have no limit."""

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0

_OUTPUT_LIMIT: Final = 16_384
_DOTENV: Final = ".env"


@dataclass(eq=False)
class Source:
    """A source of keys, as the functions of `together_otel.recovery` return it.

    Attributes:
        kind: its name in telemetry.
        look: returns a key, several keys, ``None``, or an awaitable of one of these.
        limit: maximum time in seconds; ``None`` for no limit.
        instant: whether it never blocks, so that it may be asked on an event loop.
        watched: the file that it reads, for `file`.
        clock: returns seconds.
        overdue: the thread of the last run that exceeded the limit.
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
        """Whether to skip it for now, as it is slow and recently had no new key."""
        return not self.instant and self.limit is not None and self.clock() < self._rests_until

    def answered(self, *, found: bool) -> None:
        """Record whether it had a new key. If not, it rests: 1 s, then twice as long, up to 60 s."""
        if found:
            self._rests_until, self._pause = float("-inf"), _FIRST_PAUSE
        else:
            self._rests_until = self.clock() + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)


def prompt(text: str = "Together refuses the API key. Enter another one: ") -> Source:
    """Ask for a key in the terminal or below a notebook's cell, without echo.

    Does nothing if the process has neither or runs in the background of its terminal. An answer
    that cannot work as a key is asked for again, up to three times in all.

    Args:
        text: the question.
    """
    return Source("prompt", partial(ask, text), limit=None)


def environment(
    variable: str = KEY_VARIABLE, *, dotenv: str | os.PathLike[str] | None = _DOTENV
) -> Source:
    """Read an environment variable again, and the ``.env`` file that it may come from.

    Args:
        variable: name of the variable.
        dotenv: path of a file of ``NAME=value`` lines, relative to the working directory. The
            file may be missing. ``None`` to read no file.
    """
    return Source("environment", partial(_variable, variable, dotenv), instant=True)


def file(path: str | os.PathLike[str]) -> Source:
    """Read a file that contains only a key, such as a mounted secret.

    When the file changes, clients that use one of its former keys switch to the new key before
    the old one is refused.

    Args:
        path: the file. Symbolic links are followed, as Kubernetes uses them.
    """
    watched = WatchedFile(Path(path))
    return Source("file", watched.read, instant=True, watched=watched)


def command(words: Sequence[str], *, limit: float = LIMIT) -> Source:
    """Run a command, such as a secret manager's, and read the key from its output.

    Runs without a shell and without a terminal. At the time limit, its process group is killed.

    Args:
        words: the program and its arguments.
        limit: maximum time in seconds.

    Raises:
        TypeError: if ``words`` is a string, as there is no shell to split it.
    """
    if isinstance(words, str):
        raise TypeError("command() takes a list of words, because no shell splits a text")
    return Source("command", partial(_run, tuple(words), limit), limit=limit)


def function(look: Callable[[], Any], *, limit: float = LIMIT) -> Source:
    """Call a sync or async function that returns a key or ``None``.

    It is called in a separate thread. An async function is awaited on the event loop of the call
    that failed, or on a new loop if that call is sync.

    Args:
        look: the function.
        limit: maximum time in seconds.
    """
    return Source("function", look, limit=limit)


def as_sources(given: object) -> tuple[Source, ...]:
    """Return a chain of sources from a source, a function, or a sequence of these.

    Raises:
        TypeError: for anything else, which the message does not include, as it may be a key.
    """
    if isinstance(given, Source):
        return (given,)
    if callable(given):
        return (function(given),)
    if isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        return tuple(source for one in given for source in as_sources(one))
    raise TypeError(
        f"recovery takes sources from together_otel.recovery or functions, not {type(given).__name__}"
    )


def from_setting(parts: Iterable[tuple[str, str]]) -> tuple[Source, ...]:
    """Return the sources that a setting names, as pairs of kind and the text after its colon."""
    made: dict[str, Callable[[str], Source]] = {
        "file": file,
        "command": lambda text: command(shlex.split(text)),
        "environment": lambda _: environment(),
        "prompt": lambda _: prompt(),
    }
    return tuple(made[kind](text) for kind, text in parts)


def _variable(variable: str, dotenv: str | os.PathLike[str] | None) -> list[object]:
    found: list[object] = [os.environ.get(variable, "")]
    if dotenv is not None:
        try:
            values = parse(read_text(Path(dotenv), DOTENV_LARGEST), os.environ).values
            found += [values[variable]] if variable in values else []
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as exc:
            found.append(exc.with_traceback(None))  # raised if the variable has no new key
    return found


def _run(words: tuple[str, ...], limit: float) -> str:
    with subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
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
            # The whole group, as its child processes would keep the output pipe open.
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
