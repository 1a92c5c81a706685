"""Prompt for a key in the terminal or in a notebook."""

import atexit
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial

from together_otel.keys import inspect_key
from together_otel.keys.phrases import flaws


def ask(text: str) -> str | None:
    """Return the text typed without echo; ``None`` if there is no prompt or no answer."""
    from getpass import getpass  # noqa: PLC0415 - few processes need it

    # A notebook's kernel replaces getpass by a method of its own, which asks below the cell.
    kernel = getattr(getpass, "__self__", None)
    if getattr(kernel, "_allow_stdin", False):
        echo: AbstractContextManager[None] = nullcontext()
    elif _has_terminal():
        echo = _echo_at_exit()
    else:
        return None
    with echo, suppress(EOFError):
        for last in (False, False, True):
            answer = getpass(text)
            report = inspect_key(answer.strip(), source="argument")
            if report.usable or report.presence != "present" or last:
                return answer
            del answer  # before the next prompt, as a Ctrl-C there shows this frame's variables
            text = f"This key cannot work: it {' and '.join(flaws(report))}. Enter another one: "
    return None


def _has_terminal() -> bool:
    """Return whether this process runs in the foreground of a terminal."""
    try:
        if not sys.stdin.isatty():
            return False
        # Reading from the background would stop the whole process.
        return not hasattr(os, "tcgetpgrp") or os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):
        return False  # no stdin, or a closed one


@contextmanager
def _echo_at_exit() -> Iterator[None]:
    """Restore the terminal's echo even if the process ends while another thread prompts."""
    restore = None
    # In the main thread getpass restores it itself, also on Ctrl-C. Windows has no termios.
    if threading.current_thread() is not threading.main_thread():
        with suppress(ImportError, OSError, ValueError):
            import termios  # noqa: PLC0415 - not available on Windows

            terminal = sys.stdin.fileno()
            attributes = termios.tcgetattr(terminal)
            restore = partial(termios.tcsetattr, terminal, termios.TCSANOW, attributes)
            atexit.register(restore)
    try:
        yield
    finally:
        if restore is not None:
            atexit.unregister(restore)
