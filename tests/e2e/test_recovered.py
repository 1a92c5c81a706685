"""A revoked key that recovery replaces, through the real programs: a ticket, and nobody is woken."""

import shlex

from processes import PATIENCE
from prometheus_binaries import RULES, require

from together_otel.cli.drill.processes import Process, isolated, variables_of
from together_otel.names import KEY_RECOVERIES
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.server import TogetherServer
from together_otel.testing.stack import Stack

JOB = "chat-backend"


def test_a_failure_that_was_made_good_wakes_nobody(tmp_path):
    """The refusal is told, as a ticket; the application had its answer all the same.

    It happens before the first scrape: one between refusal and recovery would see the one alone.
    """
    require("prometheus")
    require("alertmanager")
    keys = MadeUpKeys()
    old, new = keys.together(), keys.together()
    secret = tmp_path / "secret"
    secret.write_text(new)
    recovery = {"TOGETHER_OTEL_RECOVERY": f"command:cat {shlex.quote(str(secret))}"}
    with (
        TogetherServer(keys=[old, new]) as server,
        Process(isolated(JOB, variables_of(server, old) | recovery)) as process,
    ):
        said = [process.ask()]
        server.revoke(old)
        said.append(process.ask())
        with Stack([(JOB, process.address)], [RULES]) as stack:
            stack.wait_for(f'{KEY_RECOVERIES.prometheus}{{job="{JOB}"}} > 0', timeout=PATIENCE)
            ticket = stack.wait_for_notification(
                lambda alert: alert["labels"]["alertname"] == "TogetherAuthFailure", PATIENCE
            )
            pages = stack.query('count_over_time(ALERTS{severity="page"}[10m])')
    assert ticket["labels"]["severity"] == "ticket"
    assert "Cause: revoked." in ticket["annotations"]["description"]
    assert pages == []
    assert said == [{"failed": None}] * 2
