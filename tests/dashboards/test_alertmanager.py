"""`dashboards/alertmanager/`: what a real Alertmanager sends, to whom, and what it holds back.

Its configuration runs as it is, but for where the receivers are and how long it waits. The alerts
are those that Prometheus makes of our rules, texts and all: `promtool test rules` holds the files
that they are read from to it.
"""

import json
import re
import threading
import time
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import prometheus_binaries
import pytest
import yaml
from processes import PATIENCE
from serving import Quiet, serving

from together_otel import names
from together_otel.rules.settings import SEVERITIES
from together_otel.testing.programs import Program, relocated

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / "dashboards" / "alertmanager"
CONFIG = FOLDER / "alertmanager.yaml"
TEMPLATES = FOLDER / "templates" / "together.tmpl"
KEY = names.label_of(names.KEY_FINGERPRINT)
NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
SINCE = "2026-03-01 12:00:00 UTC"


# ── alerts ───────────────────────────────────────────────────────────────────────────


def rendered():
    """Yield name, labels and annotations of alerts as Prometheus makes them of the rules."""
    for path in sorted((HERE / "alerts").glob("*.yaml")):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for moment in test.get("alert_rule_test", ()):
                for alert in moment.get("exp_alerts") or ():
                    yield moment["alertname"], alert["exp_labels"], alert["exp_annotations"]


KNOWN = list(rendered())


def alert(name, job, severity=None, **labels):
    """Return an alert of a rule, of another job and with other labels than in its test."""
    for known, own, texts in KNOWN:
        if known == name and severity in {None, own["severity"]}:
            told = {key: re.sub(rf"\b{own['job']}\b", job, text) for key, text in texts.items()}
            return {
                "labels": {"alertname": name, **own, "job": job, **labels},
                "annotations": told,
                "startsAt": NOON.isoformat(),
            }
    raise LookupError(name, severity)


# ── receivers ────────────────────────────────────────────────────────────────────────


class Receivers(ThreadingHTTPServer):
    """Slack, PagerDuty and a webhook on loopback, which keep what they are sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent = defaultdict(list)
        self.arrived = threading.Condition()

    @property
    def url(self):
        """What a receiver's path comes after."""
        return f"http://127.0.0.1:{self.server_port}"

    def wait_for(self, receiver, job, wanted=lambda _: True):
        """Return the first that a receiver was sent about a job and that is wanted."""
        with self.arrived:
            assert self.arrived.wait_for(
                lambda: any(map(wanted, self.of(receiver, job))), PATIENCE
            ), json.dumps(self.sent, indent=1)
            return next(filter(wanted, self.of(receiver, job)))

    def of(self, receiver, job):
        """Return what a receiver was sent about a job so far."""
        with self.arrived:
            return [one for one in self.sent[receiver] if job in JOBS[receiver](one)]


JOBS = {
    "pagerduty": lambda sent: {sent["payload"]["component"]},
    "slack": lambda sent: {fields(sent)["Job"]},
    "webhook": lambda sent: {one["labels"]["job"] for one in sent["alerts"]},
}


class _Handler(Quiet, BaseHTTPRequestHandler):
    server: Receivers

    def do_POST(self):
        body = json.loads(self.body())
        with self.server.arrived:
            self.server.sent[self.path.strip("/")].append(body)
            self.server.arrived.notify_all()
        # 202 is what PagerDuty answers; the others may answer any 2xx. Without Slack's word a newer
        # Alertmanager takes it for a failure.
        self.answer(202, b"ok")


# ── Alertmanager ─────────────────────────────────────────────────────────────────────


class Alertmanager:
    """A real one with the example's configuration, and its receivers."""

    def __init__(self, program, receivers):
        self.program = program
        self.receivers = receivers

    def post(self, *alerts):
        """Send alerts as Prometheus does."""
        self._ask("POST", "/api/v2/alerts", json.dumps(alerts))

    def silence(self, **labels):
        """Keep alerts with these labels quiet for an hour from now."""
        now = datetime.now(timezone.utc)
        silence = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False} for name, value in labels.items()
            ],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "a test",
            "comment": "a test",
        }
        self._ask("POST", "/api/v2/silences", json.dumps(silence))

    def holds_back(self, job, expected):
        """Wait until these alerts of a job are held back, by name and severity, and no others.

        Alertmanager takes note of what holds back a little after it has answered for it.
        """
        deadline = time.monotonic() + PATIENCE
        while (found := self.inhibited(job)) != expected and time.monotonic() < deadline:
            time.sleep(0.05)
        assert found == expected

    def inhibited(self, job):
        """Return name and severity of a job's alerts that are held back now."""
        found = json.loads(self._ask("GET", "/api/v2/alerts"))
        return {
            (one["labels"]["alertname"], one["labels"]["severity"])
            for one in found
            if one["labels"]["job"] == job and one["status"]["inhibitedBy"]
        }

    def _ask(self, method, path, body=None):
        connection = HTTPConnection(self.program.address, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, said
        return said


def nested(route):
    """Yield a route and all those below it."""
    yield route
    for child in route.get("routes", ()):
        yield from nested(child)


def on_loopback(config, receivers, secrets):
    """Return the configuration with receivers on loopback and a quicker clock."""
    config["templates"] = [str(FOLDER / path) for path in config["templates"]]
    for route in nested(config["route"]):
        for wait in {"group_wait", "group_interval"} & set(route):
            route[wait] = "100ms" if wait == "group_wait" else "300ms"
    slack, pagerduty = secrets / "slack-url", secrets / "pagerduty-key"
    slack.write_text(f"{receivers.url}/slack")
    pagerduty.write_text("made-up")
    for receiver in config["receivers"]:
        for one in receiver.get("slack_configs", ()):
            one["api_url_file"] = str(slack)
        for one in receiver.get("pagerduty_configs", ()):
            one |= {"routing_key_file": str(pagerduty), "url": f"{receivers.url}/pagerduty"}
        for one in receiver.get("webhook_configs", ()):
            one["url"] = f"{receivers.url}/webhook"
    return config


def load():
    """Return the example's configuration; what it says twice by an anchor is there twice."""
    return json.loads(json.dumps(yaml.safe_load(CONFIG.read_text("utf-8"))))


@pytest.fixture(scope="module", params=[False, True], ids=["oldest", "newest"])
def newest(request):
    """Whether Alertmanager is that of Debian's newest suite, or the oldest that is supported."""
    return bool(request.param)


@pytest.fixture(scope="module")
def alertmanager(newest, tmp_path_factory):
    """One of each suite for all tests, each of which has jobs of its own."""
    binary = prometheus_binaries.require("alertmanager", newest=newest)
    home = tmp_path_factory.mktemp("alertmanager")
    with serving(Receivers()) as receivers:
        config = on_loopback(load(), receivers, home)
        flags = ("--storage.path=data", "--cluster.listen-address=")
        with Program(relocated(binary, home), home, config, flags) as program:
            yield Alertmanager(program, receivers)


def fields(sent):
    """Return the fields of a message to Slack."""
    (attachment,) = sent["attachments"]
    return {field["title"]: field["value"] for field in attachment["fields"]}


# ── the files ────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def amtool(newest):
    """Runs amtool; returns what it prints, and fails with it."""
    return partial(prometheus_binaries.run, "amtool", newest=newest)


def test_amtool_takes_the_configuration(amtool):
    """With its templates, from whatever folder it is looked at."""
    said = amtool("check-config", CONFIG)
    assert "1 templates" in said
    assert "FAILED" not in said


@pytest.mark.parametrize(
    ("name", "severity"), sorted({(name, labels["severity"]) for name, labels, _ in KNOWN})
)
def test_the_route_of_each_alert(name, severity, amtool):
    """A page goes to the pager, a ticket does not."""
    labels = (f"alertname={name}", f"severity={severity}", "job=shop")
    said = amtool("config", "routes", "test", f"--config.file={CONFIG}", *labels)
    assert said.split() == [f"together-{severity}s"]


def test_every_rule_is_known():
    """No alert of the rules is left out of what is tested here."""

    def alerts_of(file):
        text = (HERE.parents[1] / "dashboards" / file).read_text(encoding="utf-8")
        return {
            (rule["alert"], rule["labels"]["severity"])
            for group in yaml.safe_load(text)["groups"]
            for rule in group["rules"]
            if "alert" in rule
        }

    alerts = alerts_of("prometheus/alerts.yaml")
    assert alerts <= {(name, labels["severity"]) for name, labels, _ in KNOWN}
    for rule in load()["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            named = set(re.findall(r"Together\w+", matcher))
            assert named <= {name for name, _ in alerts | alerts_of("loki/rules.yaml")}


def test_other_alerts_go_where_they_went(amtool):
    """The route takes none of them."""
    route = ("config", "routes", "test", f"--config.file={CONFIG}")
    assert amtool(*route, "alertname=DiskFull", "severity=page").split() == ["everything-else"]


def test_no_secret_is_in_the_configuration():
    """Receivers read theirs from files."""
    for receiver in load()["receivers"]:
        for one in receiver.get("slack_configs", ()):
            assert Path(one["api_url_file"]).is_absolute()
            assert "api_url" not in one
        for one in receiver.get("pagerduty_configs", ()):
            assert Path(one["routing_key_file"]).is_absolute()
            assert not {"routing_key", "service_key"} & set(one)


# ── what they say ────────────────────────────────────────────────────────────────────

TEMPLATED = sorted(re.findall(r'define "(together\.\w+)"', TEMPLATES.read_text(encoding="utf-8")))


def group(status, *alerts):
    """Return a notification's data as Alertmanager hands it to templates."""

    def common(kind):
        first, *others = (one[kind] for one in alerts)
        return {
            key: value
            for key, value in first.items()
            if all(other.get(key) == value for other in others)
        }

    ends = (NOON + timedelta(minutes=7)).isoformat() if status == "resolved" else NOON.isoformat()
    return {
        "status": status,
        "alerts": [{**one, "status": status, "endsAt": ends} for one in alerts],
        "groupLabels": {},
        "commonLabels": common("labels"),
        "commonAnnotations": common("annotations"),
        "externalURL": "http://127.0.0.1:9093",
    }


@pytest.fixture
def render(amtool, tmp_path):
    """Returns what a template makes of a notification, by amtool."""

    def run(name, data):
        file = tmp_path / "data.json"
        file.write_text(json.dumps(data))
        return amtool(
            *("template", "render", f"--template.glob={TEMPLATES}", f"--template.data={file}"),
            f'--template.text={{{{ template "{name}" . }}}}',
        )

    return run


@pytest.mark.parametrize("status", ["firing", "resolved"])
@pytest.mark.parametrize("name", TEMPLATED)
def test_each_template_of_each_alert(name, status, render):
    """All alerts of all jobs in one group, which no route makes: nothing is missing in its text."""
    everything = [alert(known, f"job-{place}") for place, (known, _, _) in enumerate(KNOWN)]
    said = render(name, group(status, *everything))
    assert said.strip()
    assert "no value" not in said


def test_a_group_of_many_texts_is_bounded(render):
    """Five of them, and how many there are."""
    many = [alert("TogetherAuthFailure", f"job-{place}") for place in range(7)]
    for place, one in enumerate(many):
        one["annotations"]["description"] = f"Text {place}."
    said = render("together.text", group("firing", *many))
    assert [f"Text {place}." in said for place in range(7)] == [True] * 5 + [False] * 2
    assert said.rstrip().endswith("And more: 7 alerts in all.")


def test_the_oldest_tells_since_when(render):
    """And the one that ended last, until when."""
    early, late = alert("TogetherAuthFailing", "shop"), alert("TogetherErrorBudgetBurn", "shop")
    late["startsAt"] = (NOON + timedelta(hours=1)).isoformat()
    for order in ((early, late), (late, early)):
        assert render("together.since", group("firing", *order)).strip() == SINCE
    assert render("together.since", group("resolved", early, late)).strip() == (
        f"{SINCE} until 2026-03-01 12:07:00 UTC"
    )


def test_what_has_ended_is_not_told_while_others_fire(render):
    """Neither its text nor since when it was."""
    ended, fires = alert("TogetherAuthFailing", "shop"), alert("TogetherErrorBudgetBurn", "shop")
    fires["startsAt"] = (NOON + timedelta(hours=1)).isoformat()
    data = group("firing", ended, fires)
    data["alerts"][0]["status"] = "resolved"
    assert render("together.since", data).strip() == "2026-03-01 13:00:00 UTC"
    for name, key in (("together.text", "description"), ("together.title", "summary")):
        said = render(name, data)
        assert fires["annotations"][key] in said
        assert ended["annotations"][key] not in said


def test_the_title_tells_where(render):
    """The namespace and the cluster, where alerts have them."""
    there = alert("TogetherAuthFailing", "shop", namespace="web", cluster="eu")
    said = render("together.title", group("firing", there))
    assert said.strip() == "[PAGE] shop fails to authenticate with Together (100%) in web of eu"


def test_the_cause_is_that_of_the_text(render):
    """An alert that is not of keys tells its name."""
    for name, told in (("TogetherAuthFailure", "revoked"), ("TogetherRateLimited",) * 2):
        said = render("together.cause", group("firing", alert(name, "shop")))
        assert said.strip() == told


@pytest.mark.parametrize("name", sorted(SEVERITIES))
def test_the_link_to_a_dashboard_leads_to_one(render, name):
    said = render("together.dashboard", group("firing", alert(name, "shop"))).strip()
    uid = re.fullmatch(r"https://grafana.example/d/([a-z-]+)\?var-job=shop", said)
    assert uid
    assert uid[1] in {
        json.loads(path.read_text(encoding="utf-8"))["uid"]
        for path in (FOLDER.parent / "grafana").glob("*.json")
    }


# ── what arrives ─────────────────────────────────────────────────────────────────────

REMEDY = names.CAUSE_REMEDIES["revoked"]
DASHBOARD = "https://grafana.example/d/together-authentication?var-job={}"


def assert_the_remedy_is_in(text):
    """Key, cause and remedy are in a text."""
    assert text.startswith("The key with fingerprint ")
    assert "Cause: revoked. " in text
    assert REMEDY in text


def test_a_dead_key_at_each_receiver(alertmanager):
    """Title, cause, remedy, job, since when, runbook and dashboard; then that it is over."""
    job = "chat-backend"
    dead = alert("TogetherAuthFailing", job)
    runbook = dead["annotations"]["runbook_url"]
    dashboard = DASHBOARD.format(job)
    title = f"{job} fails to authenticate with Together (100%)"
    receivers = alertmanager.receivers
    alertmanager.post(dead)

    paged = receivers.wait_for("pagerduty", job)
    assert paged["routing_key"] == "made-up"
    assert paged["event_action"] == "trigger"
    assert paged["client_url"] == dashboard
    assert [(link["text"], link["href"]) for link in paged["links"]] == [
        ("Runbook", runbook),
        ("Dashboard", dashboard),
    ]
    assert paged["payload"]["summary"] == f"[PAGE] {title}"
    assert paged["payload"]["severity"] == "critical"
    assert paged["payload"]["class"] == "revoked"
    details = paged["payload"]["custom_details"]
    assert_the_remedy_is_in(details["what_to_do"].removeprefix("* "))
    assert {key: details[key] for key in ("job", "cause", "since", "runbook")} == {
        "job": job,
        "cause": "revoked",
        "since": SINCE,
        "runbook": runbook,
    }

    told = receivers.wait_for("slack", job)
    (attachment,) = told["attachments"]
    assert attachment["title"] == attachment["fallback"] == f"[PAGE] {title}"
    assert attachment["title_link"] == dashboard
    assert attachment["color"] == "danger"
    assert fields(told) == {"Job": job, "Cause": "revoked", "Since": SINCE, "Severity": "page"}
    assert_the_remedy_is_in(attachment["text"])
    assert attachment["text"].endswith(f"\n<{runbook}|Runbook> · <{dashboard}|Dashboard>")

    hooked = receivers.wait_for("webhook", job)
    (one,) = hooked["alerts"]
    assert one["labels"] == dead["labels"]
    assert one["annotations"] == dead["annotations"]
    assert_the_remedy_is_in(one["annotations"]["description"])
    assert datetime.fromisoformat(one["startsAt"].replace("Z", "+00:00")) == NOON

    alertmanager.post({**dead, "endsAt": (NOON + timedelta(minutes=7)).isoformat()})
    over = receivers.wait_for("pagerduty", job, lambda sent: sent["event_action"] == "resolve")
    assert over["dedup_key"] == paged["dedup_key"]
    over = receivers.wait_for("slack", job, lambda sent: sent["attachments"][0]["color"] == "good")
    assert over["attachments"][0]["title"] == f"[RESOLVED] {title}"
    assert fields(over)["Since"] == f"{SINCE} until 2026-03-01 12:07:00 UTC"
    receivers.wait_for("webhook", job, lambda sent: sent["status"] == "resolved")


def test_two_hundred_keys_are_one_page(alertmanager):
    """One for a service, with the texts of five; another namespace has its own."""
    job = "two-hundred"
    keys = [alert("TogetherAuthFailing", job, **{KEY: f"{place:08x}"}) for place in range(200)]
    alertmanager.post(*keys, alert("TogetherAuthFailing", job, namespace="elsewhere"))
    receivers = alertmanager.receivers
    receivers.wait_for("pagerduty", job, of_alerts(1))
    # What came in later is an update of the page that is there.
    page = receivers.wait_for("pagerduty", job, of_alerts(200))["payload"]
    assert page["summary"].endswith(" (200 alerts)")
    assert not page["custom_details"]["firing"]
    assert len({sent["dedup_key"] for sent in receivers.of("pagerduty", job)}) == 2


def of_alerts(number):
    """Return whether PagerDuty was told of so many alerts."""
    # Text before Alertmanager 0.30, a number from then on.
    return lambda sent: str(sent["payload"]["custom_details"]["num_firing"]) == str(number)


def test_another_cause_of_the_same_key_is_no_second_page(alertmanager):
    """A pod that restarts with the dead key calls it rejected; only a further key is news."""
    job = "restarted"
    receivers = alertmanager.receivers
    dead = alert("TogetherAuthFailing", job)
    alertmanager.post(dead)
    receivers.wait_for("pagerduty", job, of_alerts(1))
    text = dead["annotations"]["description"].replace("Cause: revoked.", "Cause: rejected.")
    alertmanager.post({**dead, "annotations": {**dead["annotations"], "description": text}})
    alertmanager.post(alert("TogetherAuthFailing", job, **{KEY: "99999999"}))
    receivers.wait_for("pagerduty", job, of_alerts(2))
    assert len(receivers.of("pagerduty", job)) == 2


def test_one_key_is_silenced_without_the_next(alertmanager):
    """By its fingerprint, which is a label."""
    job = "silenced"
    alertmanager.silence(job=job, **{KEY: "0a1b2c3d"})
    keys = ("0a1b2c3d", "99999999")
    alertmanager.post(*(alert("TogetherAuthFailing", job, **{KEY: key}) for key in keys))
    told = alertmanager.receivers.wait_for("webhook", job)
    assert [one["labels"][KEY] for one in told["alerts"]] == ["99999999"]


@pytest.mark.parametrize("text", sorted({texts["description"] for _, _, texts in KNOWN}))
def test_a_detail_stays_text(text):
    """Newer Alertmanagers read a detail as YAML, and take it as it is where it is none."""
    (pagerduty,) = next(
        receiver["pagerduty_configs"]
        for receiver in load()["receivers"]
        if "pagerduty_configs" in receiver
    )
    said = pagerduty["details"]["what_to_do"].replace('{{ template "together.text" . }}', text)
    assert said.endswith(text)
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(said)


CAUSED = [
    ("TogetherRequestsFailing", "page"),
    ("TogetherErrorBudgetBurn", "page"),
    ("TogetherAuthFailure", "ticket"),
    ("TogetherAuthFailureSpike", "ticket"),
    ("TogetherNothingSucceeds", "ticket"),
]
"""What a dead key may bring with it, sooner or later."""


def test_a_dead_key_speaks_for_all_that_it_causes(alertmanager):
    """Of its own job, not of another one; what still fires when it has ended comes then."""
    job, other = "held-back", "of-its-own"
    receivers = alertmanager.receivers
    dead = alert("TogetherAuthFailing", job)
    alertmanager.post(dead)
    receivers.wait_for("pagerduty", job)
    alertmanager.post(*(alert(name, job, severity) for name, severity in CAUSED))
    alertmanager.holds_back(job, set(CAUSED))

    # Another job's, in the same moment and by the same routes: its error budget is its own.
    alertmanager.post(alert("TogetherErrorBudgetBurn", other, "page"))
    alertmanager.post(alert("TogetherTelemetryErrors", f"{other}-too"))
    receivers.wait_for("pagerduty", other)
    receivers.wait_for("slack", f"{other}-too")
    assert not alertmanager.inhibited(other)
    assert len(receivers.of("pagerduty", job)) == 1
    assert [sent["alerts"][0]["labels"]["alertname"] for sent in receivers.of("webhook", job)] == [
        "TogetherAuthFailing"
    ]

    alertmanager.post({**dead, "endsAt": NOON.isoformat()})
    summary = f"[PAGE] Together requests of {job} fail"
    receivers.wait_for("pagerduty", job, lambda sent: sent["payload"]["summary"] == summary)
    alertmanager.holds_back(job, {*CAUSED} - {("TogetherRequestsFailing", "page")})


def test_an_outage_speaks_for_the_error_budget(alertmanager):
    """And a dead key for both."""
    job = "out"
    pages = ("TogetherRequestsFailing", "TogetherErrorBudgetBurn")
    alertmanager.post(*(alert(name, job) for name in pages))
    alertmanager.holds_back(job, {("TogetherErrorBudgetBurn", "page")})
    alertmanager.post(alert("TogetherAuthFailing", job))
    alertmanager.holds_back(job, {(name, "page") for name in pages})


@pytest.mark.parametrize("label", ["cluster", "namespace"])
def test_services_are_told_apart(alertmanager, label):
    """The same job's key may be dead in one and good in the other."""
    job = f"in-two-{label}s"
    receivers = alertmanager.receivers
    alertmanager.post(alert("TogetherAuthFailing", job, **{label: "a"}))
    # By then it holds back; together with its tickets it might come a moment too late.
    receivers.wait_for("pagerduty", job)
    alertmanager.post(
        *(alert("TogetherAuthFailure", job, **{label: value}) for value in ("a", "b"))
    )
    told = receivers.wait_for("webhook", job, lambda sent: sent["receiver"] == "together-tickets")
    assert {one["labels"][label] for one in told["alerts"]} == {"b"}
