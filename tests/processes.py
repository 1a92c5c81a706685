"""Programs that a test runs to their end."""

import subprocess

PATIENCE = 300.0
"""Seconds that anything may take that waits for a machine, which may be slow and busy."""


def run_to_end(command, *, check=False, **options):
    """Run a program, for at most `PATIENCE` unless ``timeout`` says otherwise.

    Args:
        command: the program and its arguments.
        check: whether another exit code than 0 raises.
        options: further ones of `subprocess.run`.

    Returns:
        ``subprocess.CompletedProcess``, with what it printed as text.
    """
    usual = {"capture_output": True, "text": True, "timeout": PATIENCE}
    return subprocess.run(command, check=check, **usual | options)
