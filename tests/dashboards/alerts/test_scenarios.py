"""What pages, what is a ticket, what is silent, and when it ends: scenarios in plain words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml
from prometheus_binaries import run
from test_alerts import RULES
from world import START, World

from together_otel.cli.export.formats import FORMATS
from together_otel.cli.export.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = (15, 60, 120)
USUAL = 60
"""The one of `make test`: a quarter of the work of 15 seconds."""
ENGINES = ("oldest", "newest", "victoriametrics")
"""Prometheus 2.42 and that of Debian's newest suite, and VictoriaMetrics of the latter."""
SCENARIOS: dict[str, Callable[[World], list[Expected]]] = {}
HOURS: dict[str, float] = {}
LONG = ("lost_telemetry_of_one_of_two_clusters_over_a_weekend",)
"""Those that are looked at at one interval only."""
PAGE, TICKET = "page", "ticket"


class Expected:
    """That an expression has samples of some labels at a time, or none.

    Args:
        minutes: since the world began.
        expr: PromQL.
        found: labels of the samples.
    """

    def __init__(self, minutes: float, expr: str, *found: str) -> None:
        self.at = START + round(minutes * 60)
        self.expr = expr
        self.found = found

    def test(self) -> dict[str, object]:
        samples = [{"labels": labels, "value": 1} for labels in self.found]
        return {"expr": self.expr, "eval_time": f"{self.at}s", "exp_samples": samples}


def scenario(hours: float = 2) -> Callable[..., Callable[..., list[Expected]]]:
    """Note a scenario that lasts so long."""

    def note(made: Callable[[World], list[Expected]]) -> Callable[[World], list[Expected]]:
        SCENARIOS[made.__name__] = made
        HOURS[made.__name__] = hours
        return made

    return note


def firing(severity: str, by: str, more: str = "") -> str:
    return f'group by ({by}) (ALERTS{{alertstate="firing",severity="{severity}"{more}}})'


def pages(minutes: float, *jobs: str) -> Expected:
    """These jobs have a page of some kind, and no others."""
    return Expected(minutes, firing(PAGE, "job"), *(f'{{job="{job}"}}' for job in jobs))


def tickets(minutes: float, *jobs: str) -> Expected:
    """These jobs have a ticket of some kind, and no others."""
    return Expected(minutes, firing(TICKET, "job"), *(f'{{job="{job}"}}' for job in jobs))


def ever(minutes: float, severity: str, *names: str, over: float = 0) -> Expected:
    """These alerts have fired at some time until then, and no others."""
    window = f"{round((over or minutes) * 60)}s"
    expr = f'group by (alertname) (count_over_time(ALERTS{{alertstate="firing",severity="{severity}"}}[{window}]))'
    return Expected(minutes, expr, *(f'{{alertname="{name}"}}' for name in names))


def unbroken(begin: float, end: float, job: str = "shop", severity: str = PAGE) -> Expected:
    """A job's page is there for all of a time, and not in several parts."""
    length = round((end - begin) * 60)
    there = f'group(ALERTS{{alertstate="firing",severity="{severity}",job="{job}"}})'
    return Expected(end, f"count_over_time(({there})[{length}s:60s]) >= bool {length // 60}", "{}")


def soon(world: World) -> float:
    """Minutes within which a page is there: one at 15 s, a few scrapes at longer intervals."""
    return (1 if world.step == 15 else 5 * world.step / 60) + world.lag


# ── pages ────────────────────────────────────────────────────────────────────────────


@scenario(2)
def a_dead_key_of_a_busy_job(world: World) -> list[Expected]:
    world.many(4)
    world.kill(10, "0a1b2c3d")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 119)]


@scenario(2)
def a_dead_key_of_one_process(world: World) -> list[Expected]:
    world.add()
    world.kill(10.25, "0a1b2c3d")
    return [pages(9), pages(10.25 + soon(world), "shop"), unbroken(10.25 + soon(world), 119)]


@scenario(1)
def a_dead_key_of_new_pods(world: World) -> list[Expected]:
    """The service scales up by pods that have another key."""
    world.many(2)
    world.dead.add("99999999")
    for pod in world.many(6, key="99999999"):
        pod.instance, pod.alive, pod.configured = f"new-{pod.instance}", False, False
        world.at(
            20, lambda pod=pod: (setattr(pod, "alive", True), setattr(pod, "configured", True))
        )
    return [pages(19), pages(20 + soon(world), "shop"), unbroken(20 + soon(world), 59)]


@scenario(3)
def a_dead_key_of_several_processes_that_ask_every_15_minutes(world: World) -> list[Expected]:
    """One after another: the job is refused three times within ten minutes."""
    for place, process in enumerate(world.many(3, every=900)):
        process.asked = 300 * place - 900
    world.kill(31, "0a1b2c3d")
    return [pages(30), pages(45 + soon(world), "shop"), unbroken(45 + soon(world), 179)]


@scenario(4)
def a_dead_key_that_is_asked_every_15_minutes(world: World) -> list[Expected]:
    world.add(every=900)
    world.kill(50, "0a1b2c3d")
    return [pages(74), pages(90 + soon(world), "shop"), unbroken(90 + soon(world), 239)]


@scenario(4)
def a_dead_key_of_a_job_that_runs_every_15_minutes(world: World) -> list[Expected]:
    """Each run is an instance of its own, by OTLP, and gone after a minute, or a scrape."""
    runs = world.processes

    def run(now: int) -> None:
        for one in runs:
            one.alive = one.alive and now - one.asked < max(60, world.step)
        if now % 900 == 600:
            one = world.add(instance=f"run-{len(runs)}", every=0, way="otlp")
            one.asked = now
            one.ask(now, world.dead)

    world.always.append(run)
    world.kill(50, "0a1b2c3d")
    return [pages(54), pages(85 + soon(world), "shop"), unbroken(85 + soon(world), 239)]


@scenario(2)
def half_of_two_keys_dead(world: World) -> list[Expected]:
    one = world.add(key="0a1b2c3d")
    world.always.append(lambda now: one.ask(now, world.dead, "99999999"))
    world.kill(10, "99999999")
    named = (
        'group by (job, together_api_key_fingerprint) (ALERTS{severity="page",alertstate="firing"})'
    )
    return [
        pages(9),
        Expected(
            10 + 1.5 * soon(world), named, '{job="shop", together_api_key_fingerprint="99999999"}'
        ),
        unbroken(10 + 2 * soon(world), 119),
    ]


@scenario(1)
def half_of_the_instances_have_a_dead_key(world: World) -> list[Expected]:
    world.many(3)
    world.many(3, "shop", key="99999999")
    for place, process in enumerate(world.processes):
        process.instance = f"shop-{place}"
    world.kill(10, "99999999")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 59)]


@scenario(1)
def a_hot_loop(world: World) -> list[Expected]:
    one = world.add(every=30)
    world.at(10, lambda: (setattr(one, "every", 5), setattr(one, "times", 500)))
    world.kill(10, "0a1b2c3d")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 59)]


@scenario(1)
def a_whole_cluster_though_a_bigger_one_works(world: World) -> list[Expected]:
    world.many(20, cluster="big")
    world.many(2, cluster="small", key="99999999")
    world.kill(10, "99999999")
    where = firing(PAGE, "cluster, job")
    return [
        pages(9),
        Expected(10 + soon(world), where, '{cluster="small", job="shop"}'),
        Expected(59, where, '{cluster="small", job="shop"}'),
    ]


@scenario(1)
def a_whole_namespace_though_a_load_test_drowns_it(world: World) -> list[Expected]:
    world.many(2, namespace="staging", times=1000)
    world.many(2, namespace="live", key="99999999")
    world.kill(10, "99999999")
    where = firing(PAGE, "namespace, job")
    return [
        pages(9),
        Expected(10 + soon(world), where, '{namespace="live", job="shop"}'),
        Expected(59, where, '{namespace="live", job="shop"}'),
    ]


def crash_loop(world: World, way: str, every: int = 30, key: str = "") -> None:
    """A process that fails once and dies, again and again; Prometheus sees each life once."""
    lives: list = []

    def live(now: int) -> None:
        if now < 600 or (now - 600) % every:
            for one in lives:
                if one.way != "pushed" and now - one.asked >= world.step:
                    one.alive = False
            return
        if way == "otlp" or not lives:
            lives.append(world.add(instance=f"life-{len(lives)}", key=key, every=0, way=way))
        one = lives[-1]
        one.restart()
        one.asked = now
        one.ask(now, world.dead)

    world.dead.add(key)
    world.always.append(live)


@scenario(1.5)
def a_missing_key_in_a_crash_loop_that_is_scraped(world: World) -> list[Expected]:
    crash_loop(world, "scraped", every=max(30, 2 * world.step))
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 89)]


@scenario(1.5)
def a_missing_key_in_a_crash_loop_that_pushes(world: World) -> list[Expected]:
    crash_loop(world, "pushed")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 89)]


@scenario(1.5)
def a_missing_key_in_a_crash_loop_by_otlp(world: World) -> list[Expected]:
    crash_loop(world, "otlp", every=max(30, 2 * world.step))
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 89)]


@scenario(1.5)
def a_missing_key_on_prefork_workers(world: World) -> list[Expected]:
    """Workers that share a folder are one instance, which adds up over all lives."""
    group = world.add(key="", every=20, times=1)
    group.alive = False
    world.at(10, lambda: setattr(group, "alive", True))
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 89)]


@scenario(2)
def a_worker_that_dies_of_its_first_401_with_back_off(world: World) -> list[Expected]:
    crash_loop(world, "scraped", every=300, key="99999999")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 119)]


@scenario(2)
def a_worker_that_dies_of_its_first_401_by_otlp(world: World) -> list[Expected]:
    crash_loop(world, "otlp", every=300, key="99999999")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 119)]


@scenario(1)
def a_clusters_outage_though_a_bigger_one_is_well(world: World) -> list[Expected]:
    world.many(20, cluster="big")
    small = world.many(2, cluster="small")
    for one in small:
        world.at(20, lambda one=one: setattr(one, "outcome", "server_error"))
    where = firing(PAGE, "cluster, job")
    return [
        pages(19),
        Expected(20 + 1.5 * soon(world), where, '{cluster="small", job="shop"}'),
        Expected(59, where, '{cluster="small", job="shop"}'),
    ]


# ── after the page ───────────────────────────────────────────────────────────────────


@scenario(4)
def nobody_asks_any_more(world: World) -> list[Expected]:
    """A ticket from an hour after the last refusal on, for as long as the process lives."""
    one = world.add()
    world.kill(10, "0a1b2c3d")
    world.at(20, lambda: setattr(one, "every", 0))
    return [unbroken(15, 79), pages(90), tickets(90, "shop"), tickets(239, "shop")]


@scenario(3)
def the_last_series_is_gone(world: World) -> list[Expected]:
    one = world.add(way="otlp")
    world.kill(10, "0a1b2c3d")
    world.at(30, lambda: setattr(one, "alive", False))
    return [tickets(45, "shop"), pages(65), tickets(65)]


# ── tickets ──────────────────────────────────────────────────────────────────────────


@scenario(2)
def one_of_fifty_tenants_keys(world: World) -> list[Expected]:
    keys = [f"{number:08x}" for number in range(50)]
    one = world.add(every=0)
    world.always.append(lambda now: one.ask(now, world.dead, keys[now // 5 % 50]))
    world.kill(10, keys[7])
    return [ever(119, PAGE), tickets(60, "shop")]


@scenario(2)
def a_tenant_pastes_a_key_that_cannot_work(world: World) -> list[Expected]:
    """Even if it asks as often as all others."""
    one = world.add()

    def paste(now: int) -> None:
        if now >= 600:
            one.cause = "malformed"
            one.ask(now, world.dead, "99999999")
            one.cause = ""

    world.always.append(paste)
    return [ever(119, PAGE), tickets(60, "shop")]


@scenario(2)
def one_bad_pod_of_ten(world: World) -> list[Expected]:
    world.many(9)
    bad = world.add(instance="bad", key="99999999")
    bad.alive = False
    world.dead.add("99999999")
    world.at(10, lambda: setattr(bad, "alive", True))
    return [ever(119, PAGE), tickets(60, "shop")]


@scenario(3)
def one_bad_pod_of_ten_that_ask_seldom(world: World) -> list[Expected]:
    world.dead.add("99999999")
    pods = world.many(10, every=600)
    for place, pod in enumerate(pods):
        pod.asked = -600 + 60 * place
    pods[3].key = "99999999"
    return [ever(179, PAGE, over=150), tickets(100, "shop")]


@scenario(2)
def a_single_401_of_a_job_that_asks_every_ten_minutes(world: World) -> list[Expected]:
    world.add(every=600)
    world.kill(29, "0a1b2c3d")
    world.at(31, world.dead.clear)
    return [ever(119, PAGE), tickets(35, "shop"), tickets(60)]


@scenario(2)
def spent_credit_of_a_new_job(world: World) -> list[Expected]:
    world.add(outcome="payment_required")
    return [ever(119, PAGE), tickets(20), tickets(45, "shop"), tickets(119, "shop")]


@scenario(2)
def spent_credit_of_a_job_that_had_successes(world: World) -> list[Expected]:
    one = world.add()
    world.at(20, lambda: setattr(one, "outcome", "payment_required"))
    return [pages(45), pages(55, "shop"), pages(119, "shop")]


@scenario(3)
def nothing_but_404(world: World) -> list[Expected]:
    world.add(outcome="client_error", every=60)
    return [ever(179, PAGE), tickets(20), tickets(60, "shop")]


@scenario(3)
def nothing_but_404_after_successes(world: World) -> list[Expected]:
    one = world.add(every=60)
    world.at(30, lambda: setattr(one, "outcome", "client_error"))
    return [pages(55), pages(66, "shop"), pages(179, "shop")]


# ── silence ──────────────────────────────────────────────────────────────────────────


def silent(minutes: float) -> list[Expected]:
    return [ever(minutes, PAGE), ever(minutes, TICKET)]


@scenario(2)
def rollouts_of_short_lived_pods(world: World) -> list[Expected]:
    pods = world.many(40)
    for place, pod in enumerate(pods):
        pod.alive = place < 4
        begin = 3 * (place - 3)
        world.at(
            max(begin, 0),
            lambda pod=pod, begin=begin: setattr(pod, "alive", begin >= 0 or pod.alive),
        )
        world.at(
            begin + 12,
            lambda pod=pod: (setattr(pod, "alive", False), setattr(pod, "configured", False)),
        )
    return silent(119)


@scenario(2)
def autoscaling(world: World) -> list[Expected]:
    """Eight of ten pods come and go, three times."""
    for place, pod in enumerate(world.many(10)[2:]):
        pod.alive = pod.configured = False
        for minutes in (10, 50, 90):
            world.at(
                minutes + place, lambda pod=pod: (pod.restart(), setattr(pod, "configured", True))
            )
            world.at(
                minutes + 20 - place,
                lambda pod=pod: (setattr(pod, "alive", False), setattr(pod, "configured", False)),
            )
    return silent(119)


@scenario(3)
def scale_to_zero_and_back(world: World) -> list[Expected]:
    pods = world.many(3)
    for pod in pods:
        world.at(
            30, lambda pod=pod: (setattr(pod, "alive", False), setattr(pod, "configured", False))
        )
        world.at(120, lambda pod=pod: (pod.restart(), setattr(pod, "configured", True)))
    return silent(179)


@scenario(2)
def recycled_otlp_workers(world: World) -> list[Expected]:
    def recycle(now: int) -> None:
        if now % 300 == 0:
            for one in world.processes:
                one.alive = False
            world.add(instance=f"life-{now}", way="otlp")

    world.always.append(recycle)
    return silent(119)


@scenario(2)
def old_counts_that_come_back_after_a_gap(world: World) -> list[Expected]:
    """Failures of hours ago, made good long since."""
    one = world.add()
    one.causes["rejected"] = one.outcomes["auth_failure"] = 500
    one.outcomes["server_error"] = one.outcomes["client_error"] = 400
    one.failed["rejected"] = one.refused["99999999"] = START - 5 * 3600
    one.alive = False
    one.configured = False
    world.at(30, lambda: (setattr(one, "alive", True), setattr(one, "configured", True)))
    world.at(60, lambda: (setattr(one, "alive", False), setattr(one, "configured", False)))
    world.at(90, lambda: (setattr(one, "alive", True), setattr(one, "configured", True)))
    return silent(119)


@scenario(2)
def old_counts_in_a_new_prometheus(world: World) -> list[Expected]:
    """It sees them from its first scrape on."""
    for one in world.many(3):
        one.causes["rejected"] = one.outcomes["auth_failure"] = 500
        one.outcomes["server_error"] = one.outcomes["client_error"] = 400
        one.failed["rejected"] = one.refused["99999999"] = START - 5 * 3600
        one.succeeded = one.accepted["0a1b2c3d"] = START - 5
    return silent(119)


@scenario(3)
def a_rotation_done_well(world: World) -> list[Expected]:
    for place, pod in enumerate(world.many(6)):
        world.at(20 + 3 * place, lambda pod=pod: (pod.restart(), setattr(pod, "key", "99999999")))
    world.kill(60, "0a1b2c3d")
    return silent(179)


@scenario(4)
def a_new_tenants_key(world: World) -> list[Expected]:
    keys = [f"{number:08x}" for number in range(3)]
    one = world.add()
    world.always.append(
        lambda now: one.ask(now, world.dead, keys[now // 5 % (2 if now < 1200 else 3)])
    )
    return silent(239)


@scenario(3)
def another_clusters_key(world: World) -> list[Expected]:
    world.many(2, cluster="one", key="0a1b2c3d")
    world.many(2, cluster="two", key="99999999")
    return silent(179)


@scenario(2)
def clocks_45_seconds_apart(world: World) -> list[Expected]:
    """A transient refusal on the pod that is ahead is made good, as is one on the other."""
    ahead, behind = world.add(instance="ahead", clock=45), world.add(instance="behind", clock=-45)
    for minutes, one in ((20, ahead), (40, behind)):
        world.at(minutes, lambda one=one: one.ask(int(one.asked), {"0a1b2c3d"}))
    return [ever(119, PAGE)]


@scenario(2)
def clocks_45_seconds_apart_and_one_bad_pod_of_ten(world: World) -> list[Expected]:
    world.dead.add("99999999")
    world.many(9)
    bad = world.add(instance="bad", key="99999999", clock=45)
    bad.alive = False
    world.at(10, lambda: setattr(bad, "alive", True))
    return [ever(119, PAGE), tickets(60, "shop")]


@scenario(1)
def clocks_45_seconds_apart_and_a_dead_key(world: World) -> list[Expected]:
    for place, pod in enumerate(world.many(4)):
        pod.clock = 45 * (place % 2)
    world.kill(10, "0a1b2c3d")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 59)]


@scenario(2)
def a_few_client_errors(world: World) -> list[Expected]:
    one = world.add(every=60)
    for minutes in (20, 21, 40, 60, 80):
        world.at(minutes, lambda: one.outcomes.update(client_error=2))
    return silent(119)


@scenario(1)
def duplicated_series(world: World) -> list[Expected]:
    """Two scrapers of one target, told apart by a label of theirs."""
    for replica in ("one", "two"):
        world.add().service["replica"] = replica
    return silent(59)


@scenario(2)
def a_deleted_service(world: World) -> list[Expected]:
    for pod in world.many(3):
        world.at(
            30, lambda pod=pod: (setattr(pod, "alive", False), setattr(pod, "configured", False))
        )
    return silent(119)


# ── ends ─────────────────────────────────────────────────────────────────────────────


@scenario(3)
def a_key_is_replaced_in_place(world: World) -> list[Expected]:
    pods = world.many(4)
    world.kill(10, "0a1b2c3d")
    for pod in pods:
        world.at(60, lambda pod=pod: (pod.restart(), setattr(pod, "key", "99999999")))
    return [unbroken(15, 59), pages(75), ever(179, PAGE, over=100), tickets(100)]


@scenario(3)
def a_key_is_replaced_by_a_rollout(world: World) -> list[Expected]:
    new = world.many(4, key="99999999")
    for pod in new:
        pod.instance, pod.alive, pod.configured = f"new-{pod.instance}", False, False
        world.at(
            60, lambda pod=pod: (setattr(pod, "alive", True), setattr(pod, "configured", True))
        )
    for pod in world.many(4):
        world.at(
            61, lambda pod=pod: (setattr(pod, "alive", False), setattr(pod, "configured", False))
        )
    world.kill(10, "0a1b2c3d")
    return [unbroken(15, 59), pages(75), ever(179, PAGE, over=100), tickets(120)]


@scenario(3)
def one_of_two_keys_is_replaced(world: World) -> list[Expected]:
    one = world.add(key="0a1b2c3d")
    second = ["99999999"]
    world.always.append(lambda now: one.ask(now, world.dead, second[0]))
    world.kill(10, "99999999")
    world.at(60, lambda: second.__setitem__(0, "88888888"))
    return [pages(59, "shop"), pages(75), ever(179, PAGE, over=100)]


@scenario(2)
def a_pod_restarts_with_the_dead_key(world: World) -> list[Expected]:
    """One alert of one set of labels throughout, though revoked becomes rejected."""
    pods = world.many(2)
    world.kill(10, "0a1b2c3d")
    for place, pod in enumerate(pods):
        world.at(30 + 5 * place, pod.restart)
    alerts = "count(count by (alertname, together_api_key_fingerprint, together_auth_cause)"
    return [
        unbroken(15, 119),
        Expected(119, f'{alerts} (count_over_time(ALERTS{{severity="page"}}[2h])))', "{}"),
    ]


# ── telemetry ────────────────────────────────────────────────────────────────────────


@scenario(66)
def lost_telemetry_of_one_of_two_clusters_over_a_weekend(world: World) -> list[Expected]:
    world.many(1, cluster="one", every=600)
    for pod in world.many(1, cluster="two", every=600):
        world.at(60, lambda pod=pod: setattr(pod, "alive", False))
    where = firing(TICKET, "alertname, cluster")
    lost = '{alertname="TogetherTelemetryAbsent", cluster="two"}'
    return [
        tickets(60),
        Expected(80, where, lost),
        Expected(65 * 60, where, lost),
        ever(3900, PAGE),
    ]


def cases():
    """Yield each scenario with each interval of scrapes and engine; only CI runs all of them."""
    for name in SCENARIOS:
        for step in STEPS[-1:] if name in LONG else STEPS:
            for engine in ENGINES:
                usual = step == USUAL and engine == ENGINES[0]
                yield pytest.param(
                    name,
                    step,
                    engine,
                    id=f"{name}-{step}s-{engine}",
                    marks=() if usual else pytest.mark.slow,
                )


@pytest.fixture(scope="module")
def groups():
    """The alerts' groups without their texts, whose queries would take a third of the time."""
    found = yaml.safe_load(RULES.read_text())["groups"]
    for rule in (rule for group in found for rule in group["rules"]):
        rule.pop("annotations", None)
    return found


def evaluate(folder, groups, world, expected, engine, every=60):
    """Have an engine evaluate rules of a world, at each scrape or more often."""
    metricsql = engine == "victoriametrics"
    test = {
        "rule_files": [RULES.name],
        "group_eval_order": [group["name"] for group in groups],
        "evaluation_interval": f"{min(world.step, every)}s",
        "tests": [
            {
                "interval": f"{world.step}s",
                "input_series": world.run(),
                f"{'metricsql' if metricsql else 'promql'}_expr_test": [
                    one.test() for one in expected
                ],
            }
        ],
    }
    # JSON is YAML.
    (folder / RULES.name).write_text(json.dumps({"groups": groups}))
    (folder / "test.yaml").write_text(json.dumps(test))
    if metricsql:
        command = ("vmalert-tool", "unittest", "--files=test.yaml", "--disableAlertgroupLabel")
    else:
        command = ("promtool", "test", "rules", "test.yaml")
    run(*command, cwd=folder, timeout=900, newest=engine != "oldest")


@pytest.mark.timeout(1000)
@pytest.mark.parametrize(("name", "step", "engine"), [*cases()])
def test_scenario(name, step, engine, groups, tmp_path):
    """Rules do what the scenario says, at each interval of scrapes, on each engine."""
    world = World(HOURS[name], step)
    # What vmalert records is seen at the next evaluation, and some series are made of several.
    world.lag = 2 if engine == "victoriametrics" else 0
    evaluate(tmp_path, groups, world, SCENARIOS[name](world), engine)


PROMPT = (
    "a_dead_key_of_a_busy_job",
    "half_of_two_keys_dead",
    "a_missing_key_in_a_crash_loop_that_is_scraped",
    "a_clusters_outage_though_a_bigger_one_is_well",
)


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("name", PROMPT)
def test_vmalert_pages_as_soon_with_the_intervals_of_its_resource(name, groups, tmp_path):
    """The groups that page are evaluated every 5 s, which makes up for what it sees late."""
    made = yaml.safe_load(FORMATS["victoriametrics"].make(Source())["victoriametrics/vmrule.yaml"])
    intervals = {group["name"]: group.get("interval") for group in made["spec"]["groups"]}
    prompt = [{**group, "interval": intervals[group["name"]]} for group in groups]
    paging = [group for group in prompt if group["interval"] == "5s"]
    world = World(0.5, 15)
    expected = [one for one in SCENARIOS[name](world) if one.at <= world.end]
    assert expected
    evaluate(tmp_path, paging, world, expected, "victoriametrics", every=5)
