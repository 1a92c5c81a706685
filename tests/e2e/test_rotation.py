"""The whole story of a rotation, through real processes and a real Prometheus; and of a forgotten pod."""

import re
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from example_runs import run_example
from processes import PATIENCE
from prometheus_binaries import require

from together_otel import inspect_key
from together_otel.cli.drill.processes import Process, isolated, variables_of
from together_otel.names import KEY_LAST_ACCEPTED, KEY_RECOVERIES, REQUESTS
from together_otel.rules import Options, render_alerts
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.server import TogetherServer
from together_otel.testing.stack import Stack

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "rotation"
sys.path.insert(0, str(EXAMPLE))

from rotate import Volume  # noqa: E402 - found by the path above

QUICKER = 600
"""How much faster time goes for the rule of rotations: an hour is six seconds."""
PACE = 0.3
"""Seconds between two requests of a pod."""
SETTLED = 3
"""Seconds for which the old key is known before the rotation begins."""
FIRST_ACCEPTED = "job_key:together_key_accepted:since"
STALLED = "TogetherKeyRotationStalled"
GOOD, FORGETFUL = "careful", "forgetful"
"""Two services: one forgets none of its pods, the other its second one."""


@dataclass(frozen=True)
class Story:
    """What was seen of both rotations.

    ``fingerprints`` are those that were accepted latest, by instance, before and after the file
    changed and at the end; ``alert`` is the first of a stalled rotation.
    """

    old: str
    new: str
    fingerprints: list[dict[str, str]]
    alert: dict[str, Any]
    forgotten: str
    alerts: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    recoveries: list[dict[str, Any]]
    shown: list[str]


def quicker(rules):
    """Return the rules with the one of rotations, at another pace."""
    document = yaml.safe_load(rules)
    (group,) = [one for one in document["groups"] if one["name"] == "together_keys"]
    group["interval"] = "1s"
    for rule in group["rules"]:
        rule["expr"] = re.sub(
            r"(?<=[-+<>] )\d{3,}\b", lambda found: str(int(found[0]) // QUICKER), rule["expr"]
        )
    assert str(3600 // QUICKER) in str(group)
    return yaml.safe_dump(document)


def latest(stack):
    """Return the fingerprint that each instance's requests were accepted with last."""
    found = {}
    for one in stack.query(KEY_LAST_ACCEPTED.prometheus):
        labels, value = one["metric"], float(one["value"][1])
        seen = (value, labels["together_api_key_fingerprint"])
        found[labels["instance"]] = max(seen, found.get(labels["instance"], seen))
    return {instance: fingerprint for instance, (_, fingerprint) in found.items()}


@pytest.fixture
def story(tmp_path):
    """Rotate the key of two services, of which one forgets a pod; repair that, and revoke."""
    require("prometheus")
    require("alertmanager")
    rules = tmp_path / "alerts.yaml"
    rules.write_text(quicker(render_alerts(Options(severities={STALLED: "ticket"}))))
    keys = MadeUpKeys()
    old, new = keys.together(), keys.together()
    with ExitStack() as life:
        server = life.enter_context(TogetherServer(keys=[old, new]))
        pods = [
            (job, Volume(tmp_path / f"{job}-{n}", old)) for job in (GOOD, FORGETFUL) for n in "12"
        ]
        workers = [
            life.enter_context(Process(isolated(job, variables_of(server, old) | volume.variables)))
            for job, volume in pods
        ]
        answers = []
        targets = [(job, worker.address) for (job, _), worker in zip(pods, workers, strict=True)]
        stack = life.enter_context(Stack(targets, [rules]))

        def serve_until(happened, *, timeout=PATIENCE):
            deadline = time.monotonic() + timeout
            while not (found := happened()):
                assert time.monotonic() < deadline, (latest(stack), stack.alerts())
                for worker in workers:
                    worker.send(ask={})
                answers.extend(worker.answer() for worker in workers)
                time.sleep(PACE)
            return found

        prints = [inspect_key(key).fingerprint for key in (old, new)]
        fingerprints = [serve_until(lambda: len(seen := latest(stack)) == len(pods) and seen)]
        # Two keys that came into use at the same time are no rotation to the rule.
        known = f"time() - {FIRST_ACCEPTED} > {SETTLED}"
        serve_until(lambda: len(stack.query(known)) == len({job for job, _ in pods}))
        for _, volume in pods[:-1]:
            volume.put(new)
        fingerprints.append(
            serve_until(
                lambda: (
                    list((seen := latest(stack)).values()).count(prints[1]) == len(pods) - 1
                    and seen
                )
            )
        )

        def stalled():
            try:
                return stack.wait_for_notification(
                    lambda alert: alert["labels"]["alertname"] == STALLED, 0
                )
            except TimeoutError:
                return None

        alert = serve_until(stalled)
        pods[-1][1].put(new)
        serve_until(lambda: set(latest(stack).values()) == {prints[1]})
        server.revoke(old)
        before = len(answers)
        serve_until(lambda: len(answers) >= before + 5 * len(pods))
        counted = f"sum by (together_request_outcome) ({REQUESTS.prometheus}) > 0"
        stack.wait_for(
            counted, lambda found: sum(float(one["value"][1]) for one in found) >= len(answers)
        )
        fingerprints.append(latest(stack))
        yield Story(
            str(prints[0]),
            str(prints[1]),
            fingerprints,
            alert,
            workers[-1].address,
            [*stack.alerts(), *(one for each in stack.notifications for one in each["alerts"])],
            answers,
            stack.query(counted),
            stack.query(f"sum({KEY_RECOVERIES.prometheus}) > 0"),
            keys.shown_in(
                {
                    "telemetry": "".join(line for one in workers for line in one.output),
                    "standard error": "".join(line for one in workers for line in one.errors),
                    "notifications": str(stack.notifications),
                    "series": str(stack.query('{job!=""}')),
                }
            ),
        )


def test_a_rotation(story):
    """No request fails, and the pod that is forgotten is named before one could."""
    # Neither while both keys are good nor after the old one is revoked; none is recovered.
    assert [one for one in story.answers if one["failed"] is not None] == []
    assert [one["metric"] for one in story.requests] == [{"together_request_outcome": "success"}]
    assert story.recoveries == []

    # The new key is used on every instance but the forgotten one, and there once it is repaired.
    before, during, after = story.fingerprints
    assert set(before.values()) == {story.old}
    assert [one for one, used in during.items() if used == story.old] == [story.forgotten]
    assert set(after.values()) == {story.new}

    assert story.alert["status"] == "firing"
    assert story.alert["labels"]["job"] == FORGETFUL
    assert story.alert["labels"]["together_api_key_fingerprint"] == story.old
    assert story.old in story.alert["annotations"]["description"]
    # The service that forgot nobody is left in peace.
    assert {(one["labels"]["alertname"], one["labels"]["job"]) for one in story.alerts} == {
        (STALLED, FORGETFUL)
    }
    assert story.shown == []


@pytest.mark.parametrize(
    ("arguments", "last", "failed"),
    [([], ["new"] * 3, [0, 0, 0]), (["--forget"], ["new", "new", "old"], [0, 0, 1])],
    ids=["none forgotten", "one forgotten"],
)
def test_the_example(arguments, last, failed):
    """It runs by the command of its first line, and prints what its README shows."""
    done = run_example("rotation/rotate", *arguments)
    _, *rows, counts = (line[34:].split() for line in done.stdout.splitlines())
    old, new = rows[0][0], rows[1][0]
    names = {old: "old", new: "new"}
    assert [names[one] for one in rows[0]] == ["old"] * 3
    assert [names[one] for one in rows[-1]] == last
    assert [int(number) for number in counts] == failed
