"""``together-otel drill``: test the alerts of a refused key without revoking one."""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from together_otel.cli.output import complain, write
from together_otel.cli.parsing import CANNOT_WORK, GOOD, UNKNOWN, without_key
from together_otel.names import CAUSES
from together_otel.settings import LAST_PORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.cli.parsing import Commands, Parser
    from together_otel.testing.keys import MadeUpKeys

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600}

_DESCRIPTION = """\
Makes an application with the real SDK and the real instrumentation meet a
refused key at a built-in server, and exports its telemetry by your settings,
as service NAME-drill. No real key is used, and only telemetry leaves this
machine. It ends with accepted requests, so that the alert is resolved; Ctrl-C
ends it early and cleanly.
"""
_EPILOG = """\
exit codes:
  0   every failure was counted with its cause, and exported
  1   it was not, or the drill did not start
  2   something that it needs is missing: the SDK, opentelemetry-instrument
  64  the arguments are invalid

Settings are environment variables: what is the flag --metrics_exporter of
opentelemetry-instrument is OTEL_METRICS_EXPORTER here. together-otel doctor
checks them.

examples:
  export OTEL_TRACES_EXPORTER=none OTEL_LOGS_EXPORTER=none
  export OTEL_SERVICE_NAME=shop OTEL_METRICS_EXPORTER=prometheus
  together-otel drill --cause revoked --duration 5m
  together-otel drill --cause missing --port 9500
"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "drill",
        help="simulate an authentication failure, to test your alerts",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
        help="how long, such as 90s, 2m or 1h (default: 2m); requests are accepted in the last"
        " quarter of it, for 30s at most",
    )
    parser.add_argument(
        "--port",
        type=_port,
        help="serve the drill's metrics here (default: the port of the settings, or a free one"
        " where the application has that)",
    )
    parser.set_defaults(run=partial(_drill, parser))


def _drill(parser: Parser, options: argparse.Namespace) -> int:
    # Here, as no other command needs a server or an SDK.
    from together_otel.cli.doctor.exporters import CONFIG_FILE  # noqa: PLC0415
    from together_otel.cli.doctor.installation import SDK, ZERO_CODE, launcher  # noqa: PLC0415
    from together_otel.testing.keys import MadeUpKeys  # noqa: PLC0415

    try:
        release = version(SDK)
    except PackageNotFoundError:
        return _unknown(parser, f"{SDK} is not installed: pip install {SDK}")
    if launcher() is None:
        return _unknown(parser, f"opentelemetry-instrument is not installed: {ZERO_CODE}")
    if os.environ.get(CONFIG_FILE):
        return _unknown(
            parser,
            f"{CONFIG_FILE} names the service by itself, so that the drill could not be distinguished"
            f" from the application: unset it, and configure exporters by other variables",
        )
    keys = MadeUpKeys()

    def say(text: str) -> None:
        write(without_key(keys.redact(text)) + "\n")

    try:
        return _run(parser, options, release, keys, say)
    except KeyboardInterrupt:
        say("Ended immediately: what was counted is not known.")
        return CANNOT_WORK


def _run(
    parser: Parser,
    options: argparse.Namespace,
    release: str,
    keys: MadeUpKeys,
    say: Callable[[str], None],
) -> int:
    from together_otel.cli.doctor.switches import settings_of  # noqa: PLC0415
    from together_otel.cli.drill.announcement import announcement, conclusion, ways  # noqa: PLC0415
    from together_otel.cli.drill.environment import environment, port_of  # noqa: PLC0415
    from together_otel.cli.drill.processes import Died, Process  # noqa: PLC0415
    from together_otel.cli.drill.runner import Runner, ending_early  # noqa: PLC0415
    from together_otel.cli.drill.scenarios import scenario_of  # noqa: PLC0415

    settings, _ = settings_of(os.environ)
    cause, duration = options.cause, options.duration
    try:
        port = port_of(os.environ, settings, options.port)
    except OSError as exc:
        parser.refuse(
            f"--port {options.port} cannot be used ({exc.strerror}): expected a free port"
        )
    except ValueError as exc:
        parser.refuse(f"{exc}; see together-otel doctor")
    try:
        temporary = tempfile.TemporaryDirectory(prefix="together-otel-")
    except OSError:
        return _unknown(
            parser,
            "there is no writable folder for temporary files: set TMPDIR to one, an emptyDir in"
            " Kubernetes",
        )
    with (
        temporary as folder,
        ending_early() as ended,
        scenario_of(cause, keys, release) as scenario,
    ):
        environ = {**environment(os.environ, cause, port, folder), **scenario.variables}
        for line in announcement(cause, duration, scenario, settings, environ, port):
            say(line)
        with Process(environ, redact=keys.redact) as process:
            runner = Runner(
                cause,
                scenario,
                process,
                duration,
                lambda text: say(f"{time.strftime('%H:%M:%S')} {text}"),
            )
            try:
                outcome = runner.run(port, ended)
            except Died as exc:
                say(f"The drill's application has ended: {exc}.")
                return CANNOT_WORK
    if not any(ways(settings, environ, port)):
        outcome.faults.append("no metrics are exported: see together-otel doctor")
    for line in conclusion(cause, outcome, settings, environ, port):
        say(line)
    return CANNOT_WORK if outcome.faults else GOOD


def _unknown(parser: Parser, why: str) -> int:
    complain(f"{parser.prog}: {why}.\n")
    return UNKNOWN


def _duration(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None or not float(match[1]):
        raise argparse.ArgumentTypeError("expected a time such as 90s, 2m or 1h")
    return float(match[1]) * _SECONDS[match[2]]


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) <= LAST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a port, 1 to {LAST_PORT}")
