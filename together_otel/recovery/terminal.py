"""A key asked for on the terminal."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from together_otel.keys import flaws, inspect_key

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIES: Final = 3


def ask(text: str) -> str | None:
    """Return what is typed without an echo; ``None`` where nobody can be asked, or answers.

    Args:
        text: the question.
    """
    if not _has_terminal():
        return None
    from getpass import getpass  # noqa: PLC0415 - few processes ever ask

    with _echo_at_exit(), suppress(EOFError):
        for _ in range(_TRIES):
            answer = getpass(text)
            report = inspect_key(answer.strip(), source="argument")
            if report.usable or report.presence != "present":
                break
            text = f"It {' and '.join(flaws(report))}, and cannot work. Another one: "
        return answer
    return None


def _has_terminal() -> bool:
    """Tell whether somebody may sit before this process: it is in a terminal's foreground."""
    try:
        if not sys.stdin.isatty():
            return False
        # Reading from the background would stop the whole process.
        return not hasattr(os, "tcgetpgrp") or os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):
        return False  # no stdin, or a closed one


class _echo_at_exit:  # noqa: N801 - used as a function is
    """Give a terminal its echo back though the process ends while another thread asks."""

    def __enter__(self) -> None:
        self._undo: Callable[[], None] | None = None
        if threading.current_thread() is threading.main_thread():
            return  # getpass sees to it itself, Ctrl-C and all
        try:
            import atexit  # noqa: PLC0415 - as getpass
            import termios  # noqa: PLC0415 - not on Windows, where there is no echo to give back

            terminal = sys.stdin.fileno()
            restore = partial(
                termios.tcsetattr, terminal, termios.TCSANOW, termios.tcgetattr(terminal)
            )
        except (ImportError, OSError, ValueError):
            return
        atexit.register(restore)
        self._undo = partial(atexit.unregister, restore)

    def __exit__(self, *_: object) -> None:
        if self._undo is not None:
            self._undo()
