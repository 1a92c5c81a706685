"""What pages, what is a ticket, what is silent, and when it ends: scenarios in plain words."""

import pytest
import yaml
from fleet_series import run_test
from test_alerts import RULES
from world import START, World

from together_otel.cli.export.formats import FORMATS
from together_otel.cli.export.source import Source

STEPS = (15, 60, 120)
USUAL = 60
"""The one of `make test`: a quarter of the work of 15 seconds."""
ENGINES = ("oldest", "newest", "victoriametrics")
"""Prometheus 2.42 and that of Debian's newest suite, and VictoriaMetrics of the latter."""
SCENARIOS = {}
"""By name: what makes a world and returns what is expected of it, and how many hours it has."""
LONG = ("lost_telemetry_of_one_of_two_clusters_over_a_weekend",)
"""Those that are looked at at one interval only."""
PAGE, TICKET = "page", "ticket"


def expected(minutes, expr, *found):
    """Return that an expression has samples of some labels at a time since the world began, or none."""
    return START + round(minutes * 60), expr, found


def scenario(hours):
    """Note a scenario that lasts so long."""

    def note(made):
        SCENARIOS[made.__name__] = made, hours
        return made

    return note


def firing(severity, by):
    return f'group by ({by}) (ALERTS{{alertstate="firing",severity="{severity}"}})'


def pages(minutes, *jobs):
    """These jobs have a page of some kind, and no others."""
    return expected(minutes, firing(PAGE, "job"), *(f'{{job="{job}"}}' for job in jobs))


def tickets(minutes, *jobs):
    """These jobs have a ticket of some kind, and no others."""
    return expected(minutes, firing(TICKET, "job"), *(f'{{job="{job}"}}' for job in jobs))


def ever(minutes, severity, *names, over=0):
    """These alerts have fired at some time until then, and no others."""
    window = f"{round((over or minutes) * 60)}s"
    expr = f'group by (alertname) (count_over_time(ALERTS{{alertstate="firing",severity="{severity}"}}[{window}]))'
    return expected(minutes, expr, *(f'{{alertname="{name}"}}' for name in names))


def unbroken(begin, end):
    """A page of the job shop is there for all of a time, and not in several parts."""
    length = round((end - begin) * 60)
    there = f'group(ALERTS{{alertstate="firing",severity="{PAGE}",job="shop"}})'
    return expected(end, f"count_over_time(({there})[{length}s:60s]) >= bool {length // 60}", "{}")


def soon(world):
    """Minutes within which a page is there: one at 15 s, a few scrapes at longer intervals."""
    return (1 if world.step == 15 else 5 * world.step / 60) + world.lag


# ── pages ────────────────────────────────────────────────────────────────────────────


@scenario(2)
def a_dead_key_of_a_busy_job(world):
    world.many(4)
    world.kill(10, "0a1b2c3d")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 119)]


@scenario(2)
def a_dead_key_of_one_process(world):
    world.add()
    world.kill(10.25, "0a1b2c3d")
    return [pages(9), pages(10.25 + soon(world), "shop"), unbroken(10.25 + soon(world), 119)]


@scenario(1)
def a_dead_key_of_new_pods(world):
    """The service scales up by pods that have another key."""
    world.many(2)
    world.dead.add("99999999")
    for pod in world.many(6, key="99999999"):
        pod.instance, pod.alive, pod.configured = f"new-{pod.instance}", False, False
        world.turn(20, pod, on=True)
    return [pages(19), pages(20 + soon(world), "shop"), unbroken(20 + soon(world), 59)]


@scenario(3)
def a_dead_key_of_several_processes_that_ask_every_15_minutes(world):
    """One after another: the job is refused three times within ten minutes."""
    for place, process in enumerate(world.many(3, every=900)):
        process.asked = 300 * place - 900
    world.kill(31, "0a1b2c3d")
    return [pages(30), pages(45 + soon(world), "shop"), unbroken(45 + soon(world), 179)]


@scenario(4)
def a_dead_key_that_is_asked_every_15_minutes(world):
    world.add(every=900)
    world.kill(50, "0a1b2c3d")
    return [pages(74), pages(90 + soon(world), "shop"), unbroken(90 + soon(world), 239)]


@scenario(4)
def a_dead_key_of_a_job_that_runs_every_15_minutes(world):
    """Each run is an instance of its own, by OTLP, and gone after a minute, or a scrape."""
    runs = world.processes

    def run(now):
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
def half_of_two_keys_dead(world):
    one = world.add(key="0a1b2c3d")
    world.always.append(lambda now: one.ask(now, world.dead, "99999999"))
    world.kill(10, "99999999")
    named = (
        'group by (job, together_api_key_fingerprint) (ALERTS{severity="page",alertstate="firing"})'
    )
    return [
        pages(9),
        expected(
            10 + 1.5 * soon(world), named, '{job="shop", together_api_key_fingerprint="99999999"}'
        ),
        unbroken(10 + 2 * soon(world), 119),
    ]


@scenario(1)
def half_of_the_instances_have_a_dead_key(world):
    world.many(3)
    world.many(3, "shop", key="99999999")
    for place, process in enumerate(world.processes):
        process.instance = f"shop-{place}"
    world.kill(10, "99999999")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 59)]


@scenario(1)
def a_hot_loop(world):
    one = world.add(every=30)
    world.change(10, one, every=5, times=500)
    world.kill(10, "0a1b2c3d")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 59)]


@scenario(1)
def a_whole_cluster_though_a_bigger_one_works(world):
    world.many(20, cluster="big")
    world.many(2, cluster="small", key="99999999")
    world.kill(10, "99999999")
    where = firing(PAGE, "cluster, job")
    return [
        pages(9),
        expected(10 + soon(world), where, '{cluster="small", job="shop"}'),
        expected(59, where, '{cluster="small", job="shop"}'),
    ]


@scenario(1)
def a_whole_namespace_though_a_load_test_drowns_it(world):
    world.many(2, namespace="staging", times=1000)
    world.many(2, namespace="live", key="99999999")
    world.kill(10, "99999999")
    where = firing(PAGE, "namespace, job")
    return [
        pages(9),
        expected(10 + soon(world), where, '{namespace="live", job="shop"}'),
        expected(59, where, '{namespace="live", job="shop"}'),
    ]


def crash_loop(world, way, every=30, key=""):
    """A process that fails once and dies, again and again; Prometheus sees each life once."""
    lives = []

    def live(now):
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
def a_missing_key_in_a_crash_loop_that_is_scraped(world):
    crash_loop(world, "scraped", every=max(30, 2 * world.step))
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 89)]


@scenario(1.5)
def a_missing_key_in_a_crash_loop_that_pushes(world):
    crash_loop(world, "pushed")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 89)]


@scenario(1.5)
def a_missing_key_in_a_crash_loop_by_otlp(world):
    crash_loop(world, "otlp", every=max(30, 2 * world.step))
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 89)]


@scenario(1.5)
def a_missing_key_on_prefork_workers(world):
    """Workers that share a folder are one instance, which adds up over all lives."""
    group = world.add(key="", every=20, times=1)
    group.alive = False
    world.change(10, group, alive=True)
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 89)]


@scenario(2)
def a_worker_that_dies_of_its_first_401_with_back_off(world):
    crash_loop(world, "scraped", every=300, key="99999999")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 119)]


@scenario(2)
def a_worker_that_dies_of_its_first_401_by_otlp(world):
    crash_loop(world, "otlp", every=300, key="99999999")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 119)]


@scenario(1)
def a_clusters_outage_though_a_bigger_one_is_well(world):
    world.many(20, cluster="big")
    small = world.many(2, cluster="small")
    for one in small:
        world.change(20, one, outcome="server_error")
    where = firing(PAGE, "cluster, job")
    return [
        pages(19),
        expected(20 + 1.5 * soon(world), where, '{cluster="small", job="shop"}'),
        expected(59, where, '{cluster="small", job="shop"}'),
    ]


def deploy(world, key="0a1b2c3d"):
    """Fifty pods that others replace after ten minutes, within two."""
    for place in range(50):
        old = world.add(instance=f"old-{place}")
        old.causes["rejected"] = old.outcomes["auth_failure"] = 7  # of long ago
        world.turn(10 + place / 25, old, on=False)
        new = world.add(instance=f"new-{place}", key=key)
        new.alive = new.configured = False
        world.turn(10 + place / 25, new, on=True)


@scenario(0.5)
def a_deploy_of_50_pods_with_a_bad_key(world):
    """Not one page a pod, though each was refused before it was first scraped."""
    world.dead.add("99999999")
    deploy(world, "99999999")
    count = 'count by (alertname) (ALERTS{alertstate="firing",severity="page"})'
    failing = '{alertname="TogetherAuthFailing"}'
    return [
        expected(10, count),
        expected(11 + soon(world), count, failing),
        expected(29, count, failing),
    ]


# ── after the page ───────────────────────────────────────────────────────────────────


@scenario(4)
def nobody_asks_any_more(world):
    """A ticket from an hour after the last refusal on, for as long as the process lives."""
    one = world.add()
    world.kill(10, "0a1b2c3d")
    world.change(20, one, every=0)
    return [unbroken(15, 79), pages(90), tickets(90, "shop"), tickets(239, "shop")]


@scenario(3)
def the_last_series_is_gone(world):
    one = world.add(way="otlp")
    world.kill(10, "0a1b2c3d")
    world.change(30, one, alive=False)
    return [tickets(45, "shop"), pages(65), tickets(65)]


# ── tickets ──────────────────────────────────────────────────────────────────────────


@scenario(2)
def one_of_fifty_tenants_keys(world):
    keys = [f"{number:08x}" for number in range(50)]
    one = world.add(every=0)
    world.always.append(lambda now: one.ask(now, world.dead, keys[now // 5 % 50]))
    world.kill(10, keys[7])
    return [ever(119, PAGE), tickets(60, "shop")]


@scenario(2)
def a_tenant_pastes_a_key_that_cannot_work(world):
    """Even if it asks as often as all others."""
    one = world.add()

    def paste(now):
        if now >= 600:
            one.cause = "malformed"
            one.ask(now, world.dead, "99999999")
            one.cause = ""

    world.always.append(paste)
    return [ever(119, PAGE), tickets(60, "shop")]


@scenario(2)
def one_bad_pod_of_ten(world):
    world.many(9)
    bad = world.add(instance="bad", key="99999999")
    bad.alive = False
    world.dead.add("99999999")
    world.change(10, bad, alive=True)
    return [ever(119, PAGE), tickets(60, "shop")]


@scenario(3)
def one_bad_pod_of_ten_that_ask_seldom(world):
    world.dead.add("99999999")
    pods = world.many(10, every=600)
    for place, pod in enumerate(pods):
        pod.asked = -600 + 60 * place
    pods[3].key = "99999999"
    return [ever(179, PAGE, over=150), tickets(100, "shop")]


@scenario(2)
def a_single_401_of_a_job_that_asks_every_ten_minutes(world):
    world.add(every=600)
    world.kill(29, "0a1b2c3d")
    world.at(31, world.dead.clear)
    return [ever(119, PAGE), tickets(35, "shop"), tickets(60)]


@scenario(2)
def spent_credit_of_a_new_job(world):
    world.add(outcome="payment_required")
    return [ever(119, PAGE), tickets(20), tickets(45, "shop"), tickets(119, "shop")]


@scenario(2)
def spent_credit_of_a_job_that_had_successes(world):
    one = world.add()
    world.change(20, one, outcome="payment_required")
    return [pages(45), pages(55, "shop"), pages(119, "shop")]


@scenario(3)
def spent_credit_of_a_job_that_asks_every_15_minutes(world):
    one = world.add(every=900)
    world.change(20, one, outcome="payment_required")
    return [pages(70), pages(90, "shop"), pages(179, "shop")]


@scenario(3)
def nothing_but_404(world):
    world.add(outcome="client_error", every=60)
    return [ever(179, PAGE), tickets(20), tickets(60, "shop")]


@scenario(3)
def nothing_but_404_after_successes(world):
    one = world.add(every=60)
    world.change(30, one, outcome="client_error")
    return [pages(55), pages(66, "shop"), pages(179, "shop")]


# ── silence ──────────────────────────────────────────────────────────────────────────


def silent(minutes):
    return [ever(minutes, PAGE), ever(minutes, TICKET)]


@scenario(2)
def rollouts_of_short_lived_pods(world):
    pods = world.many(40)
    for place, pod in enumerate(pods):
        pod.alive = place < 4
        begin = 3 * (place - 3)
        world.change(max(begin, 0), pod, alive=True)
        world.turn(begin + 12, pod, on=False)
    return silent(119)


@scenario(0.5)
def a_deploy_of_50_pods(world):
    """Counters that end and begin, and a count of old failures, are no news."""
    deploy(world)
    return silent(29)


@scenario(2)
def autoscaling(world):
    """Eight of ten pods come and go, three times."""
    for place, pod in enumerate(world.many(10)[2:]):
        pod.alive = pod.configured = False
        for minutes in (10, 50, 90):
            world.change(minutes + place, pod, restart=True, configured=True)
            world.turn(minutes + 20 - place, pod, on=False)
    return silent(119)


@scenario(3)
def scale_to_zero_and_back(world):
    pods = world.many(3)
    for pod in pods:
        world.turn(30, pod, on=False)
        world.change(120, pod, restart=True, configured=True)
    return silent(179)


@scenario(2)
def recycled_otlp_workers(world):
    def recycle(now):
        if now % 300 == 0:
            for one in world.processes:
                one.alive = False
            world.add(instance=f"life-{now}", way="otlp")

    world.always.append(recycle)
    return silent(119)


@scenario(2)
def old_counts_that_come_back_after_a_gap(world):
    """Failures of hours ago, made good long since."""
    one = world.add()
    one.causes["rejected"] = one.outcomes["auth_failure"] = 500
    one.outcomes["server_error"] = one.outcomes["client_error"] = 400
    one.failed["rejected"] = one.refused["99999999"] = START - 5 * 3600
    one.alive = False
    one.configured = False
    world.turn(30, one, on=True)
    world.turn(60, one, on=False)
    world.turn(90, one, on=True)
    return silent(119)


@scenario(2)
def old_counts_in_a_new_prometheus(world):
    """It sees them from its first scrape on."""
    for one in world.many(3):
        one.causes["rejected"] = one.outcomes["auth_failure"] = 500
        one.outcomes["server_error"] = one.outcomes["client_error"] = 400
        one.failed["rejected"] = one.refused["99999999"] = START - 5 * 3600
        one.succeeded = one.accepted["0a1b2c3d"] = START - 5
    return silent(119)


@scenario(3)
def a_rotation_done_well(world):
    for place, pod in enumerate(world.many(6)):
        world.change(20 + 3 * place, pod, restart=True, key="99999999")
    world.kill(60, "0a1b2c3d")
    return silent(179)


@scenario(4)
def a_new_tenants_key(world):
    keys = [f"{number:08x}" for number in range(3)]
    one = world.add()
    world.always.append(
        lambda now: one.ask(now, world.dead, keys[now // 5 % (2 if now < 1200 else 3)])
    )
    return silent(239)


@scenario(3)
def another_clusters_key(world):
    world.many(2, cluster="one", key="0a1b2c3d")
    world.many(2, cluster="two", key="99999999")
    return silent(179)


@scenario(2)
def clocks_45_seconds_apart(world):
    """A transient refusal on the pod that is ahead is made good, as is one on the other."""
    ahead, behind = world.add(instance="ahead", clock=45), world.add(instance="behind", clock=-45)
    for minutes, one in ((20, ahead), (40, behind)):
        world.at(minutes, lambda one=one: one.ask(int(one.asked), {"0a1b2c3d"}))
    return [ever(119, PAGE)]


@scenario(2)
def clocks_45_seconds_apart_and_one_bad_pod_of_ten(world):
    world.dead.add("99999999")
    world.many(9)
    bad = world.add(instance="bad", key="99999999", clock=45)
    bad.alive = False
    world.change(10, bad, alive=True)
    return [ever(119, PAGE), tickets(60, "shop")]


@scenario(1)
def clocks_45_seconds_apart_and_a_dead_key(world):
    for place, pod in enumerate(world.many(4)):
        pod.clock = 45 * (place % 2)
    world.kill(10, "0a1b2c3d")
    return [pages(9), pages(10 + soon(world), "shop"), unbroken(10 + soon(world), 59)]


@scenario(2)
def a_few_client_errors(world):
    one = world.add(every=60)
    for minutes in (20, 21, 40, 60, 80):
        world.at(minutes, lambda: one.outcomes.update(client_error=2))
    return silent(119)


@scenario(2)
def a_working_day_that_ends_after_some_timeouts(world):
    """Requests have succeeded since, and are no more made."""
    one = world.add()
    for minutes in (5, 20, 21, 22, 23):
        world.at(minutes, lambda: one.outcomes.update(timeout=1))
    world.change(30, one, every=0)
    return silent(119)


@scenario(1)
def duplicated_series(world):
    """Two scrapers of one target, told apart by a label of theirs."""
    for replica in ("one", "two"):
        world.add().service["replica"] = replica
    return silent(59)


@scenario(2)
def a_deleted_service(world):
    for pod in world.many(3):
        world.turn(30, pod, on=False)
    return silent(119)


# ── ends ─────────────────────────────────────────────────────────────────────────────


@scenario(3)
def a_key_is_replaced_in_place(world):
    pods = world.many(4)
    world.kill(10, "0a1b2c3d")
    for pod in pods:
        world.change(60, pod, restart=True, key="99999999")
    return [unbroken(15, 59), pages(75), ever(179, PAGE, over=100), tickets(100)]


@scenario(3)
def a_key_is_replaced_by_a_rollout(world):
    new = world.many(4, key="99999999")
    for pod in new:
        pod.instance, pod.alive, pod.configured = f"new-{pod.instance}", False, False
        world.turn(60, pod, on=True)
    for pod in world.many(4):
        world.turn(61, pod, on=False)
    world.kill(10, "0a1b2c3d")
    return [unbroken(15, 59), pages(75), ever(179, PAGE, over=100), tickets(120)]


@scenario(3)
def one_of_two_keys_is_replaced(world):
    one = world.add(key="0a1b2c3d")
    second = ["99999999"]
    world.always.append(lambda now: one.ask(now, world.dead, second[0]))
    world.kill(10, "99999999")
    world.at(60, lambda: second.__setitem__(0, "88888888"))
    return [pages(59, "shop"), pages(75), ever(179, PAGE, over=100)]


@scenario(2)
def a_pod_restarts_with_the_dead_key(world):
    """One alert of one set of labels throughout, though revoked becomes rejected."""
    pods = world.many(2)
    world.kill(10, "0a1b2c3d")
    for place, pod in enumerate(pods):
        world.at(30 + 5 * place, pod.restart)
    alerts = "count(count by (alertname, together_api_key_fingerprint, together_auth_cause)"
    return [
        unbroken(15, 119),
        expected(119, f'{alerts} (count_over_time(ALERTS{{severity="page"}}[2h])))', "{}"),
    ]


# ── telemetry ────────────────────────────────────────────────────────────────────────


@scenario(66)
def lost_telemetry_of_one_of_two_clusters_over_a_weekend(world):
    world.many(1, cluster="one", every=600)
    for pod in world.many(1, cluster="two", every=600):
        world.change(60, pod, alive=False)
    where = firing(TICKET, "alertname, cluster")
    lost = '{alertname="TogetherTelemetryAbsent", cluster="two"}'
    return [
        tickets(60),
        expected(80, where, lost),
        expected(65 * 60, where, lost),
        ever(3900, PAGE),
    ]


def evaluate(folder, groups, world, found, engine, every=60):
    """Have an engine evaluate rules of a world, at each scrape or more often."""
    every = min(world.step, every)
    run_test(folder, groups, world.step, world.run(), found, every=every, engine=engine)


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


@pytest.mark.timeout(1000)
@pytest.mark.parametrize(("name", "step", "engine"), [*cases()])
def test_scenario(name, step, engine, groups, tmp_path):
    """Rules do what the scenario says, at each interval of scrapes, on each engine."""
    make, hours = SCENARIOS[name]
    world = World(hours, step)
    # What vmalert records is seen at the next evaluation, and some series are made of several.
    world.lag = 2 if engine == "victoriametrics" else 0
    evaluate(tmp_path, groups, world, make(world), engine)


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
    found = [one for one in SCENARIOS[name][0](world) if one[0] <= START + world.end]
    assert found
    evaluate(tmp_path, paging, world, found, "victoriametrics", every=5)
