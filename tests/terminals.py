"""Programs that ask on a terminal, and what is typed there."""

import os
import select
import subprocess

import pytest
from processes import PATIENCE


def on_a_terminal(command, *typed, asks, **options):
    """Run a program on a terminal of its own until it ends.

    Args:
        command: its words.
        *typed: answers, one after the other; the last one for ever.
        asks: ends of its questions.
        **options: as `subprocess.Popen` takes them.

    Returns:
        Its status, what the terminal shows, and whether that echoes again.
    """
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        # A terminal is a session's own once its leader has opened it.
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # noqa: PLW1509 - no threads here
        **options,
    )
    shown, answers, asked = b"", list(typed), 0
    try:
        while True:
            ended = process.poll() is not None  # before looking for its last words
            if select.select([keyboard], [], [], 0.05)[0]:
                shown += os.read(keyboard, 1000)
            elif ended:
                break
            if sum(map(shown.count, asks)) > asked and answers:
                asked += 1
                os.write(keyboard, answers.pop(0) if len(answers) > 1 else answers[0])
        echoes = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
        return process.wait(PATIENCE), shown.decode(), echoes
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)
        os.close(terminal)
