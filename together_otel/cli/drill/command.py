"""``together-otel drill``: tests the alerts on a refused key without revoking one."""

import argparse
import os
import re
import tempfile
import time
from collections.abc import Callable

from together_otel.cli.doctor.exporters import CONFIG_FILE
from together_otel.cli.doctor.installation import SDK, missing
from together_otel.cli.doctor.switches import settings_of
from together_otel.cli.drill.announcement import Announcement
from together_otel.cli.drill.environment import environment, port_of
from together_otel.cli.drill.processes import Died, Process
from together_otel.cli.drill.program import CLASSES
from together_otel.cli.drill.runner import Outcome, Runner, ending_early
from together_otel.cli.drill.scenarios import scenario_of
from together_otel.cli.output import write
from together_otel.cli.parsing import CANNOT_WORK, GOOD, Parser, without_key, write_json
from together_otel.names import CAUSES
from together_otel.settings import LAST_PORT
from together_otel.testing.keys import MadeUpKeys

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600}

HELP = "simulate an authentication failure, to test your alerts"
DESCRIPTION = """\
Lets the real SDK and instrumentation meet a refused key at a built-in server,
and exports telemetry by your settings, as service NAME-drill. No real key is
used. It ends with accepted requests; Ctrl-C ends it early.
"""
EPILOG = """\
exit codes: 0 every failure was counted and exported; 1 it was not; 2 something
that it needs is missing; 64 the arguments are invalid

example:
  export OTEL_TRACES_EXPORTER=none OTEL_LOGS_EXPORTER=none
  export OTEL_SERVICE_NAME=shop OTEL_METRICS_EXPORTER=prometheus
  together-otel drill --cause revoked --duration 5m
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.usage = "together-otel drill [options] --cause CAUSE"
    parser.add_argument(
        "--cause",
        metavar="CAUSE",
        choices=CAUSES,
        required=True,
        help=f"the failure: {', '.join(CAUSES)}",
    )
    parser.add_argument(
        "--duration",
        metavar="TIME",
        type=_duration,
        default=120.0,
        help="duration, such as 90s or 1h (default: 2m)",
    )
    parser.add_argument(
        "--port", type=_port, help="port of the drill's metrics (default: from the settings)"
    )
    parser.add_argument(
        "--client",
        metavar="NAME",
        choices=CLASSES,
        default=SDK,
        help=f"the application's client: {', '.join(CLASSES)} (default: {SDK})",
    )


def run(parser: Parser, options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    if why := missing(options.client):
        return parser.give_up(why)
    if os.environ.get(CONFIG_FILE):
        return parser.give_up(
            f"{CONFIG_FILE} sets the service's name, so the drill could not be distinguished from"
            f" the application: unset it, and configure exporters with other variables"
        )
    settings, _ = settings_of(os.environ)
    try:
        port, note = port_of(os.environ, settings, options.port)
    except OSError as exc:
        parser.refuse(
            f"--port {options.port} cannot be used ({exc.strerror}): expected a free port"
        )
    except ValueError as exc:
        parser.refuse(f"{exc}; see together-otel doctor")
    try:
        temporary = tempfile.TemporaryDirectory(prefix="together-otel-")
    except OSError:
        return parser.give_up(
            "there is no writable folder for temporary files: set TMPDIR to one, an emptyDir in"
            " Kubernetes"
        )
    cause, keys = options.cause, MadeUpKeys()

    def say(text: str) -> None:
        if not options.json:
            write(without_key(keys.redact(text)) + "\n")

    with temporary as folder:
        environ = environment(os.environ, cause, port, folder)
        about = Announcement(cause, options.duration, settings, environ, port, note)
        try:
            outcome = _drill(about, keys, options, say)
        except KeyboardInterrupt:
            say("Ended immediately: the counts are not known.")
            return CANNOT_WORK
    if options.json:
        write_json(about.as_json(outcome))
    return CANNOT_WORK if outcome.faults else GOOD


def _drill(
    about: Announcement, keys: MadeUpKeys, options: argparse.Namespace, say: Callable[[str], None]
) -> Outcome:
    outcome = Outcome()
    redact = None if options.json else keys.redact
    with ending_early() as ended, scenario_of(about.cause, keys, options.client) as scenario:
        environ = {**about.environ, **scenario.variables}
        try:
            with Process(environ, redact=redact, client=options.client) as process:
                runner = Runner(
                    about.cause,
                    scenario,
                    process,
                    about.duration,
                    lambda text: say(f"{time.strftime('%H:%M:%S')} {text}"),
                    outcome,
                )
                counts = runner.check()
                if not any(about.ways()):
                    outcome.faults.append("no metrics are exported: see together-otel doctor")
                elif counts:
                    for line in about.before():
                        say(line)
                    runner.run(about.port, ended)
        except Died as exc:
            outcome.faults.append(f"the drill's application has ended: {exc}")
    for line in about.after(outcome):
        say(line)
    return outcome


def _duration(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None or not float(match[1]):
        raise argparse.ArgumentTypeError("expected a time such as 90s, 2m or 1h")
    return float(match[1]) * _SECONDS[match[2]]


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) <= LAST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a port, 1 to {LAST_PORT}")
