"""Programs that a test runs to their end."""

import subprocess


def run_to_end(command, *, check=False, **options):
    """Run a program, for at most a minute unless ``timeout`` says otherwise.

    Args:
        command: the program and its arguments.
        check: whether another exit code than 0 raises.
        options: further ones of `subprocess.run`.

    Returns:
        ``subprocess.CompletedProcess``, with what it printed as text.
    """
    usual = {"capture_output": True, "text": True, "timeout": 60}
    return subprocess.run(command, check=check, **usual | options)
