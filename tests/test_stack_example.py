"""`examples/stack/`: each file by the program that reads it, and a revoked key's way to the pager.

What has no program here (the Collector, Loki, Tempo, Grafana) is checked by its structure, and
every address in it by the services that there are. The application, the stand-in for Together and
the pager are run by compose's own commands, on loopback.
"""

import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import prometheus_binaries
import pytest
import yaml
from processes import PATIENCE, run_to_end
from running import Running, get
from serving import Quiet, serving

from together_otel import cli, names
from together_otel.testing.ports import free_port
from together_otel.testing.programs import Program, relocated

ROOT = Path(__file__).parents[1]
STACK = ROOT / "examples" / "stack"
ALERTMANAGER = ROOT / "dashboards" / "alertmanager" / "alertmanager.yaml"
README = (STACK / "README.md").read_text(encoding="utf-8")


def load(path):
    """Return what a YAML file holds; what it says twice by an anchor is there twice."""
    return yaml.safe_load((STACK / path).read_text(encoding="utf-8"))


def service(name):
    """Return a service of compose's."""
    return SERVICES[name]


COMPOSE = load("compose.yaml")
SERVICES = COMPOSE["services"]
PORTS = {
    ("alertmanager", 9093),
    ("collector", 4318),
    ("collector", 13133),
    ("loki", 3100),
    ("pager", 8080),
    ("prometheus", 9090),
    ("shop", 9464),
    ("tempo", 3200),
    ("tempo", 4318),
}
"""What is listened at: defaults of the images, and what the files here say."""


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """What the README's command writes."""
    command = re.search(r"^together-otel (export generated .*?) &&", README, re.MULTILINE)
    assert command
    _, folder, *options = command[1].split()
    target = tmp_path_factory.mktemp("stack") / folder
    assert cli.main(["export", str(target), *options]) == 0
    return target


# ── compose ──────────────────────────────────────────────────────────────────────────

SETTINGS = {
    *("image", "build", "init", "command", "stdin_open", "environment", "network_mode", "networks"),
    *("ports", "volumes", "tmpfs", "depends_on", "healthcheck"),
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service(name):
    """Known settings, a pinned image, ports on loopback only, and something that it is asked by."""
    one = service(name)
    assert set(one) <= SETTINGS
    assert re.fullmatch(r"[\w./-]+:(v?\d+\.\d+\.\d+|local)", one["image"])
    assert one["image"].endswith(":local") == ("build" in one)
    for port in one.get("ports", ()):
        assert port.startswith("127.0.0.1:")
    asked = {urlsplit(url).hostname for url in service("ready")["command"][2:]}
    assert ("healthcheck" in one) != (name in asked | {"ready"})
    if "healthcheck" in one:
        assert set(one["healthcheck"]) == {"test", "interval", "timeout", "retries"}
        assert one["healthcheck"]["test"][0] == "CMD"
    if "network_mode" in one:
        assert one["network_mode"].removeprefix("service:") in SERVICES
    awaited = one.get("depends_on", {})
    for other in awaited:
        # A list waits for nothing but the start.
        condition = awaited[other]["condition"] if isinstance(awaited, dict) else "service_started"
        assert condition in {
            "service_started",
            "service_healthy" if "healthcheck" in service(other) else "",
            "service_completed_successfully" if other == "ready" else "",
        }


def test_nothing_of_the_machine_is_mounted(generated):
    """Files are of this folder or of the export, and there; the rest is Docker's own volumes."""
    for one in SERVICES.values():
        for volume in one.get("volumes", ()):
            source, _, rest = volume.partition(":")
            if source.startswith("./generated/"):
                assert (generated.parent / source).is_dir()
            elif source.startswith("./"):
                assert (STACK / source).is_file()
            else:
                assert source in COMPOSE["volumes"]
                continue
            assert ".." not in source
            assert rest.endswith(":ro")
    copied = re.findall(r"\b\w+\.py\b", (STACK / "Dockerfile").read_text(encoding="utf-8"))
    assert sorted(copied) == sorted(path.name for path in STACK.glob("*.py"))


def addresses(value):
    """Yield host and port of every address in a document."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from addresses(one)
    elif isinstance(value, str):
        for host, port in re.findall(r"(?:^|http://)([a-z][a-z.]*):(\d+)\b", value):
            yield host, int(port)


def test_every_address_is_a_services(generated):
    """Whoever is named listens there; all that listen are named by somebody."""
    aliases = {
        alias: name
        for name, one in SERVICES.items()
        for alias in one.get("networks", {}).get("default", {}).get("aliases", ())
    }
    assert aliases == {"shop": service("shop")["network_mode"].removeprefix("service:")}
    files = ("prometheus.yaml", "alertmanager.yaml", "collector.yaml")
    provisioned = generated / "grafana" / "provisioning" / "datasources" / "together.yaml"
    named = {
        address
        for document in (SERVICES, *map(load, (*files, provisioned)))
        for address in addresses(document)
        if address[0] != "localhost"  # as a browser sees it
    }
    assert named == PORTS
    assert {host for host, _ in named} <= set(SERVICES)


def test_the_readmes_commands_are_of_these_services():
    """Services and files that it names are there."""
    for found in re.findall(r"docker compose (?:logs -f|exec|restart) (\w+)", README):
        assert found in SERVICES
    listed = re.findall(r"\[([\w.]+)\]\(\1\)", README)
    hidden = {"README.md", ".gitignore", ".dockerignore"}
    files = {path.name for path in STACK.iterdir() if path.is_file()} - hidden
    assert sorted(listed) == sorted(files)


# ── what is mounted ──────────────────────────────────────────────────────────────────


def test_prometheus_takes_its_configuration(generated, tmp_path):
    """With the exported rules where compose mounts them."""
    shutil.copy(STACK / "prometheus.yaml", tmp_path)
    shutil.copytree(generated / "prometheus", tmp_path / "rules")
    mounts = service("prometheus")["volumes"]
    assert "./generated/prometheus:/etc/prometheus/rules:ro" in mounts
    said = prometheus_binaries.run(
        "promtool", "check", "config", "--lint=all", tmp_path / "prometheus.yaml"
    )
    assert "2 rule files found" in said
    assert "FAILED" not in said


def at_the_pager(config):
    """Return the example's configuration with this stack's pager in its receivers."""
    config["templates"].append("grafana.tmpl")
    for receiver in config["receivers"]:
        for one in receiver.get("slack_configs", ()):
            one.pop("api_url_file", None)
            one["api_url"] = "http://pager:8080/slack"
        for one in receiver.get("pagerduty_configs", ()):
            one.pop("routing_key_file")
            one |= {"routing_key": "any", "url": "http://pager:8080/pagerduty"}
        for one in receiver.get("webhook_configs", ()):
            one["url"] = "http://pager:8080/webhook"
    return config


def test_alertmanager_takes_its_configuration(generated, tmp_path):
    """It is the exported one, with the pager of this stack in its receivers."""
    assert load("alertmanager.yaml") == at_the_pager(load(ALERTMANAGER))
    for name in ("alertmanager.yaml", "grafana.tmpl"):
        shutil.copy(STACK / name, tmp_path)
    shutil.copytree(generated / "alertmanager" / "templates", tmp_path / "templates")
    said = prometheus_binaries.run("amtool", "check-config", tmp_path / "alertmanager.yaml")
    assert "2 templates" in said


def test_the_collector():
    """Each component that a pipeline names is configured, and none is left over."""
    collector = load("collector.yaml")
    assert set(collector) == {"receivers", "processors", "exporters", "extensions", "service"}
    assert collector["service"]["extensions"] == list(collector["extensions"])
    pipelines = collector["service"]["pipelines"]
    # Metrics are scraped.
    assert set(pipelines) == {"traces", "logs"}
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in pipelines.values() for name in pipeline[kind]}
        assert used == set(collector[kind])
    assert set(service("shop")["environment"]) >= {"OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER"}


def test_loki_and_tempo():
    """They keep everything where there is room for it, take OTLP, and tell nobody of themselves."""
    loki, tempo = load("loki.yaml"), load("tempo.yaml")
    known = {"auth_enabled", "server", "common", "schema_config", "limits_config", "analytics"}
    assert set(loki) == known
    # What OTLP and its structured metadata need.
    (schema,) = loki["schema_config"]["configs"]
    assert (schema["store"], schema["schema"]) == ("tsdb", "v13")
    assert loki["limits_config"]["allow_structured_metadata"] is True
    assert loki["analytics"] == {"reporting_enabled": False}

    assert set(tempo) == {"server", "distributor", "storage", "compactor", "usage_report"}
    assert tempo["distributor"]["receivers"]["otlp"]["protocols"] == {
        "http": {"endpoint": "0.0.0.0:4318"}
    }
    assert tempo["usage_report"] == {"reporting_enabled": False}

    storage = loki["common"]["storage"]["filesystem"]
    trace = tempo["storage"]["trace"]
    for path in (*storage.values(), trace["local"]["path"], trace["wal"]["path"]):
        assert path.startswith("/data/")
    for name in ("loki", "tempo"):
        assert service(name)["tmpfs"].startswith("/data:")


# ── Grafana ──────────────────────────────────────────────────────────────────────────


def test_the_data_sources(generated, tmp_path):
    """Fixed uids, and every link between them leads to one that is there."""
    provisioned = load(generated / "grafana" / "provisioning" / "datasources" / "together.yaml")
    assert provisioned["apiVersion"] == 1
    sources = {one["type"]: one for one in provisioned["datasources"]}
    assert set(sources) == {"prometheus", "alertmanager", "loki", "tempo"}
    for one in sources.values():
        assert set(one) == {"name", "uid", "type", "access", "url", "jsonData"}
        # A second default one would keep Grafana from starting.
        assert "isDefault" not in one
    uids = {kind: one["uid"] for kind, one in sources.items()}

    data = {kind: one["jsonData"] for kind, one in sources.items()}
    (exemplar,) = data["prometheus"]["exemplarTraceIdDestinations"]
    assert exemplar == {"name": "trace_id", "datasourceUid": uids["tempo"]}
    (field,) = data["loki"]["derivedFields"]
    assert (field["matcherType"], field["matcherRegex"]) == ("label", "trace_id")
    assert field["datasourceUid"] == uids["tempo"]
    assert data["tempo"]["tracesToLogsV2"]["datasourceUid"] == uids["loki"]
    metrics = data["tempo"]["tracesToMetrics"]
    assert metrics["datasourceUid"] == uids["prometheus"]
    # A variable of Grafana's environment begins with one $: none is meant.
    assert not re.search(r"(?<!\$)\$(\$\$)*(?!\$)", yaml.safe_dump(provisioned))
    ours = {metric.prometheus for metric in names.METRICS}
    for query in metrics["queries"]:
        assert set(re.findall(r"together_client_\w+", query["query"])) <= ours
        expr = query["query"].replace("$$__tags", 'job="shop"')
        rule = {"record": "checked", "expr": expr}
        rules = tmp_path / "queries.yaml"
        rules.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": [rule]}]}))
        prometheus_binaries.run("promtool", "check", "rules", rules)


def test_the_dashboards_are_found(generated):
    """Where the provider looks, compose mounts them; they begin with the provisioned Prometheus."""
    provisioning = generated / "grafana" / "provisioning"
    config = load(provisioning / "dashboards" / "together.yaml")
    assert config["apiVersion"] == 1
    (provider,) = config["providers"]
    assert (provider["type"], provider["folder"]) == ("file", "Together")
    path = provider["options"]["path"]
    mounts = service("grafana")["volumes"]
    assert f"./generated/grafana:{path}:ro" in mounts
    for kind in ("dashboards", "datasources"):
        target = f"/etc/grafana/provisioning/{kind}"
        assert f"./generated/grafana/provisioning/{kind}:{target}:ro" in mounts
    dashboards = list((generated / "grafana").glob("*.json"))
    assert dashboards
    for dashboard in dashboards:
        assert '"value": "together-prometheus"' in dashboard.read_text(encoding="utf-8")


# ── the programs ─────────────────────────────────────────────────────────────────────


def test_the_image_installs_what_there_is():
    """Names, extras and versions of the Dockerfile's command, as this environment has them."""
    text = (STACK / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    found = re.search(r"^RUN --mount=\S+ +pip (install .*)$", text, re.MULTILINE)
    assert found
    words = [word for word in shlex.split(found[1]) if word != "--no-cache-dir"]
    place = words.index("--find-links")
    del words[place : place + 2]
    done = run_to_end([sys.executable, "-m", "pip", *words, "--dry-run", "--no-index"])
    assert done.returncode == 0, done.stderr
    assert "Would install" not in done.stdout


class Collector(ThreadingHTTPServer):
    """Takes OTLP in the Collector's place, and remembers what was asked for.

    Paths that are closed answer that they are not ready.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Signal)
        self.signals = set()
        self.asked = set()
        self.closed = set()


class _Signal(Quiet, BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self):
        self.body()
        self.server.signals.add(self.path)
        self.do_GET()

    def do_GET(self):
        self.server.asked.add(self.path)
        self.answer(503 if self.path in self.server.closed else 200)


class Compose:
    """Runs services by compose's own commands, on loopback with ports that are free."""

    def __init__(self, folder, collector):
        self._folder = folder
        self._environment = {"KEYS": str(folder)}
        self.pager, self.metrics, together = free_port(), free_port(), free_port()
        self._instead = {
            "/keys/": f"{folder}/",
            "0.0.0.0:8080": f"127.0.0.1:{self.pager}",
            "0.0.0.0": "127.0.0.1",  # noqa: S104 - not here
            "http://127.0.0.1:8080": f"http://127.0.0.1:{together}",
            "--port 8080": f"--port {together}",
            "9464": str(self.metrics),
            "http://collector:4318": collector,
        }

    def start(self, name):
        """Start a service."""
        one = service(name)
        environment = {key: self._here(text) for key, text in one.get("environment", {}).items()}
        home = self._folder / name
        home.mkdir(exist_ok=True)
        command = self._here(shlex.join(one["command"]))
        return Running(
            ["/bin/sh", "-c", f"cd {STACK} && exec {command}"],
            {**self._environment, **environment},
            home,
        )

    def run(self, command):
        """Run one of the README's commands in a service's place."""
        assert f"docker compose exec together {command}\n" in README
        subprocess.run(
            [sys.executable, *command.split()[1:]],
            cwd=STACK,
            env=self._environment,
            check=True,
            timeout=PATIENCE,
        )

    def _here(self, text):
        for there, here in self._instead.items():
            text = text.replace(there, here)
        return text.replace("$$", "$")


@pytest.fixture
def compose(tmp_path):
    """Compose, and the Collector that its application exports to."""
    with serving(Collector()) as collector:
        yield Compose(tmp_path, f"http://127.0.0.1:{collector.server_port}"), collector


def monitoring(life, made, generated, home):
    """Start both programs with the stack's configuration, on loopback and with a quicker clock."""
    prometheus_home, alertmanager_home = home / "prometheus", home / "alertmanager"
    alertmanager_home.mkdir()
    prometheus_home.mkdir()
    shutil.copy(STACK / "grafana.tmpl", alertmanager_home)
    shutil.copytree(generated / "alertmanager" / "templates", alertmanager_home / "templates")
    routes = (STACK / "alertmanager.yaml").read_text(encoding="utf-8")
    routes = routes.replace("pager:8080", f"127.0.0.1:{made.pager}")
    alertmanager = Program(
        relocated(prometheus_binaries.require("alertmanager"), alertmanager_home),
        alertmanager_home,
        yaml.safe_load(routes),
        ("--storage.path=data", "--cluster.listen-address="),
    )
    shutil.copytree(generated / "prometheus", prometheus_home / "rules")
    scrape = (STACK / "prometheus.yaml").read_text(encoding="utf-8").replace("15s", "1s")
    scrape = scrape.replace("alertmanager:9093", alertmanager.address)
    scrape = scrape.replace("shop:9464", f"127.0.0.1:{made.metrics}")
    flags = [
        flag for flag in service("prometheus")["command"] if flag.startswith("--enable-feature")
    ]
    prometheus = Program(
        prometheus_binaries.require("prometheus"),
        prometheus_home,
        yaml.safe_load(scrape),
        ("--storage.tsdb.path=data", *flags),
    )
    for one in (alertmanager, prometheus):
        life.enter_context(one)
    return prometheus, alertmanager


def test_a_revoked_key_is_one_page(compose, generated, tmp_path):
    """As the README says: at all three receivers, with what to do; a new key brings answers back."""
    made, collector = compose
    with ExitStack() as life:

        def start(name):
            running = made.start(name)
            life.callback(running.stop)
            return running

        together = start("together")
        together.until(lambda: "http://" in together.output())
        pager = start("pager")
        shop = start("shop")
        shop.until(lambda: get(made.metrics, "/metrics"))
        prometheus, _ = monitoring(life, made, generated, tmp_path)
        shop.until(lambda: shop.output().count("answered") >= 3)
        shop.until(lambda: exemplars(prometheus))

        made.run("python keys.py revoke")
        shop.until(lambda: "failed: AuthenticationError" in shop.output())
        pager.until(lambda: paged(pager.output()) == ["pagerduty", "slack", "webhook"])

        made.run("python keys.py new")
        shop.stop()
        again = start("shop")
        again.until(lambda: "answered" in again.output())
        said = pager.output()
    assert paged(said) == ["pagerduty", "slack", "webhook"]
    assert names.CAUSE_REMEDIES["revoked"] in said
    assert "Cause: revoked" in said
    assert "http://localhost:3000/d/together-authentication?var-job=shop" in said
    assert collector.signals == {"/v1/traces", "/v1/logs"}


def paged(output):
    """Return which receivers got the page, as often as they did, from what the pager printed."""
    page = r"^(\w+): .*shop fails to authenticate with Together \(100%\)$"
    return sorted(re.findall(page, output, re.MULTILINE))


def exemplars(prometheus):
    """Tell whether a scrape brought exemplars with a trace's id."""
    port = int(prometheus.address.rpartition(":")[2])
    query = f"{names.INFERENCE_DURATION.prometheus}_bucket"
    found = get(port, f"/api/v1/query_exemplars?query={query}&start=0&end=9999999999")
    return "trace_id" in (found or "")


def test_ready_waits_for_all(tmp_path):
    """It ends with success once every URL answers so, and not before."""
    with serving(Collector()) as collector:
        collector.closed = {"/late"}
        urls = [f"http://127.0.0.1:{collector.server_port}/{path}" for path in ("early", "late")]
        ready = Running(["python", str(STACK / "ready.py"), *urls], {}, tmp_path)
        try:
            ready.until(lambda: collector.asked == {"/early", "/late"})
            assert ready.process.poll() is None
            collector.closed = set()
            assert ready.process.wait(PATIENCE) == 0
        finally:
            ready.stop()
