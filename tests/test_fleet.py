"""`examples/fleet/`: each file by the program or schema that reads it, and what is pushed by OTLP.

There is no Collector in the package registries: its configuration is checked by its structure,
and what it would receive is decoded as it does, from what the SDK really sends.
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from processes import PATIENCE, run_to_end
from prometheus_binaries import run
from running import PROGRAMS, Running, get, total
from serving import answering, serving

from together_otel import cli, names
from together_otel.telemetry.request_metrics import metrics_of
from together_otel.testing import TogetherServer, behaviours
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.ports import free_port

FLEET = Path(__file__).parents[1] / "examples" / "fleet"
KUBERNETES = FLEET / "kubernetes"
BIN = Path(sys.executable).parent


def load(path):
    """Return what a YAML file of the fleet holds."""
    return yaml.safe_load((FLEET / path).read_text(encoding="utf-8"))


def pod():
    """Return the pod that the Deployment makes."""
    return load("kubernetes/deployment.yaml")["spec"]["template"]


def test_the_readme_names_every_file():
    """And none that is not there."""
    listed = re.findall(r"^\| \[(.*?)\]", (FLEET / "README.md").read_text("utf-8"), re.MULTILINE)
    files = {path.relative_to(FLEET).as_posix() for path in FLEET.rglob("*.yaml")}
    assert sorted(listed) == sorted(files)


# ── Kubernetes ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", ["1.25", "1.35"])
@pytest.mark.parametrize("name", ["deployment", "service"])
def test_kubernetes_own_schemas(name, version):
    """Nothing is missing, misspelt or of the wrong type, by the oldest and a new release."""
    kubernetes_validate.validate(load(f"kubernetes/{name}.yaml"), version, strict=True)


def test_the_rules_are_those_of_the_command(tmp_path):
    """Run `together-otel export examples/fleet --only kubernetes --force` when this fails."""
    assert cli.main(["export", str(tmp_path), "--only", "kubernetes"]) == 0
    made = (tmp_path / "kubernetes" / "prometheusrule.yaml").read_text(encoding="utf-8")
    assert (KUBERNETES / "prometheusrule.yaml").read_text(encoding="utf-8") == made


def test_prometheus_takes_the_rules(tmp_path):
    """What prometheus-operator hands it: the manifest's spec."""
    spec = load("kubernetes/prometheusrule.yaml")["spec"]
    assert list(spec) == ["groups"]
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(spec))
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", rules)


def test_the_monitor_finds_the_pods():
    """Their label, the name of their port, and the label that the job is made of exist."""
    monitor = load("kubernetes/podmonitor.yaml")
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "PodMonitor")
    assert set(monitor["spec"]) == {"jobLabel", "selector", "podMetricsEndpoints"}
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint == {"port": "metrics", "path": "/metrics", "interval": "15s"}
    labels = pod()["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (container,) = pod()["spec"]["containers"]
    # The same job by OTLP, whose job is the service's name.
    assert labels[monitor["spec"]["jobLabel"]] == variables(container)["OTEL_SERVICE_NAME"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert str(ports["metrics"]) == variables(container)["TOGETHER_OTEL_PROMETHEUS_PORT"]
    assert load("kubernetes/service.yaml")["spec"]["selector"].items() <= labels.items()


def test_the_key_is_in_no_manifest():
    """It comes from a secret, to the container that looks at it and to the one that uses it."""
    for container in (*pod()["spec"]["initContainers"], *pod()["spec"]["containers"]):
        (key,) = [one for one in container["env"] if one["name"] == names.KEY_VARIABLE]
        assert key["valueFrom"]["secretKeyRef"] == {"name": "together", "key": "api-key"}


# ── Prometheus ───────────────────────────────────────────────────────────────────────


def test_the_agent_finds_the_pods(tmp_path):
    """Its relabelling makes one target of a pod, with the labels that rules and dashboards use.

    Debian's programs are built without the discovery of Kubernetes. What it would find, a
    target for each port of a pod and the pods of others, stands in its place.
    """
    agent = load("prometheus-agent.yaml")
    (scrape,) = agent["scrape_configs"]
    assert scrape.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    scrape["static_configs"] = [
        *discovered(pod(), "shop-1", "10.0.0.1", ("10.0.0.1:8000", "10.0.0.1:9464")),
        *discovered(pod(), "shop-2", "10.0.0.2", ("10.0.0.2",), phase="Succeeded"),
        *discovered({"metadata": {}}, "other", "10.0.0.3", ("10.0.0.3:80",)),
    ]
    config = tmp_path / "agent.yaml"
    config.write_text(yaml.safe_dump(agent))
    run("promtool", "check", "config", "--agent", "--lint=all", "--lint-fatal", config)

    # It waits for discovery as long as it may, also for what is there at once.
    said = run("promtool", "check", "service-discovery", "--timeout=2s", config, scrape["job_name"])
    targets = [target["labels"] for target in json.loads(said) if target["labels"]]
    assert targets
    for target in targets:  # all the same, so that Prometheus scrapes it once
        assert target.pop("__metrics_path__") == "/metrics"
        assert {name: value for name, value in target.items() if name[:9] != "__scrape_"} == {
            "__address__": "10.0.0.1:9464",
            "__scheme__": "http",
            "instance": "10.0.0.1:9464",
            "job": "shop",
            "namespace": "default",
            "pod": "shop-1",
        }


def discovered(made, name, ip, addresses, phase="Running"):
    """Yield static targets with what discovery knows of a pod, one for each address."""
    labels = {"namespace": "default", "pod_name": name, "pod_ip": ip, "pod_phase": phase}
    for kind in ("label", "annotation"):
        for key, value in made["metadata"].get(f"{kind}s", {}).items():
            labels[f"pod_{kind}_{re.sub(r'[^a-zA-Z0-9_]', '_', key)}"] = value
    for address in addresses:
        yield {
            "targets": [address],
            "labels": {f"__meta_kubernetes_{key}": value for key, value in labels.items()},
        }


# ── the Collector ────────────────────────────────────────────────────────────────────

SETTINGS = {
    "otlp": {"protocols"},
    "memory_limiter": {
        *("check_interval", "limit_mib", "spike_limit_mib"),
        *("limit_percentage", "spike_limit_percentage"),
    },
    "transform": {"error_mode", "metric_statements", "trace_statements", "log_statements"},
    "prometheusremotewrite": {
        *("endpoint", "headers", "external_labels", "tls", "timeout", "retry_on_failure"),
        *("resource_to_telemetry_conversion", "target_info", "remote_write_queue"),
    },
    "otlp_http": {"endpoint", "headers", "tls", "timeout", "retry_on_failure", "sending_queue"},
}
"""Settings that components have and that leave names and labels as the contract has them.

Not `namespace`, `add_metric_suffixes` or `translation_strategy` of prometheusremotewrite: its
default gives the contract's names, see `test_the_series_that_are_pushed`.
"""


def test_the_collectors_pipelines():
    """Each component that one names is configured, with known settings, and none is left over."""
    collector = load("collector.yaml")
    assert set(collector) == {"receivers", "processors", "exporters", "service"}
    pipelines = collector["service"]["pipelines"]
    assert set(pipelines) == {"metrics", "traces", "logs"}
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in pipelines.values() for name in pipeline[kind]}
        assert used == set(collector[kind])
        for name, settings in collector[kind].items():
            assert set(settings) <= SETTINGS[name.partition("/")[0]], name
    for pipeline in pipelines.values():
        # First, so that it can refuse what the others would keep.
        assert pipeline["processors"][0] == "memory_limiter"
    assert set(collector["receivers"]["otlp"]["protocols"]) == {"grpc", "http"}
    assert collector["exporters"]["prometheusremotewrite"]["resource_to_telemetry_conversion"] == {
        "enabled": False
    }


def test_the_collector_keeps_the_contracts_labels():
    """It adds labels that a scrape has too, of what the Deployment says, and touches none of ours."""
    statements = load("collector.yaml")["processors"]["transform"]["metric_statements"]
    added = [
        re.fullmatch(
            r'set\(datapoint\.attributes\["(\w+)"\], resource\.attributes\["([\w.]+)"\]\)', one
        )
        for one in statements
    ]
    assert all(added)
    labels = {one[1]: one[2] for one in added if one}
    (scrape,) = load("prometheus-agent.yaml")["scrape_configs"]
    scraped = {rule.get("target_label", "job") for rule in scrape["relabel_configs"]}
    assert set(labels) == scraped - {"__address__", "__metrics_path__", "job"}
    (container,) = pod()["spec"]["containers"]
    said = variables(container)["OTEL_RESOURCE_ATTRIBUTES"].split(",")
    assert set(labels.values()) == {pair.partition("=")[0] for pair in said}
    assert not set(labels) & {label for metric in names.METRICS for label in metric.labels}


# ── what is sent ─────────────────────────────────────────────────────────────────────


class Receiver:
    """An OTLP receiver on loopback that keeps what it is sent, as it came; to be served."""

    REQUESTS = {  # noqa: RUF012 - a table
        "/v1/metrics": ExportMetricsServiceRequest,
        "/v1/traces": ExportTraceServiceRequest,
        "/v1/logs": ExportLogsServiceRequest,
    }

    def __init__(self):
        self.bodies = []
        self.server = answering(self._take)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def _take(self, request):
        self.bodies.append((request.path, request.body()))
        request.answer(200 if request.path in self.REQUESTS else 404)

    def resources(self, signal):
        """Return what came of one signal, decoded, a part for each resource."""
        decode = self.REQUESTS[f"/v1/{signal}"].FromString
        field = {"metrics": "resource_metrics", "traces": "resource_spans", "logs": "resource_logs"}
        return [
            part
            for path, body in self.bodies
            if path == f"/v1/{signal}"
            for part in getattr(decode(body), field[signal])
        ]


@pytest.fixture
def receiver():
    """A receiver for one test."""
    made = Receiver()
    with serving(made.server):
        yield made


def ours(resources, scopes):
    """Return the parts of our instrumentation scope."""
    return [
        scope
        for resource in resources
        for scope in getattr(resource, scopes)
        if scope.scope.name == names.SCOPE
    ]


def attributes(holder):
    """Return decoded attributes as plain values."""
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
        for pair in holder.attributes
    }


PROGRAM = """
import contextlib
import together

client = together.Together(max_retries=1)

def ask(**more):
    message = {"role": "user", "content": "Hello"}
    return client.chat.completions.create(model="a/model", messages=[message], **more)

ask()
list(ask(stream=True))
with contextlib.suppress(together.AuthenticationError):
    ask()
"""
"""One call that succeeds at the second try, one that streams, one that is refused."""


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """What a program under `opentelemetry-instrument` pushed, and the keys that it used."""
    keys = MadeUpKeys()
    key = keys.together()
    program = tmp_path_factory.mktemp("pushed") / "program.py"
    program.write_text(PROGRAM)
    receiver = Receiver()
    with serving(receiver.server), TogetherServer(keys=[key]) as together:
        together.script(behaviours.server_error())
        together.revoke_after(key, 2)
        done = run_to_end(
            [
                *(BIN / "opentelemetry-instrument", "--metrics_exporter", "otlp"),
                *("--traces_exporter", "otlp", "--logs_exporter", "otlp"),
                *(sys.executable, program),
            ],
            env={"PATH": os.environ["PATH"], **together_of(together, key), **otlp_to(receiver)},
        )
        assert done.returncode == 0, done.stderr
        yield receiver, keys


def together_of(server, key):
    """Return the variables that the SDK reads."""
    return {"TOGETHER_API_KEY": key, "TOGETHER_BASE_URL": server.url}


def otlp_to(receiver):
    """Return the variables that OpenTelemetry's SDK reads."""
    return {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_SERVICE_NAME": "shop",
    }


NOT_HERE = {
    "together.client.key.recoveries",  # nothing takes a new key here
    "together.client.telemetry.errors",  # nothing of ours goes wrong
    "together.client.ratelimit.remaining",  # the server has no limits
    "together.client.ratelimit.limit",
    "gen_ai.client.inference.usage.cache_read.input_tokens",  # nor a cache
    "gen_ai.client.inference.usage.reasoning.output_tokens",
    "gen_ai.client.operation.duration",  # the program asks for nothing else
    "gen_ai.client.embeddings.duration",
    "gen_ai.client.embeddings.operation.input_tokens",
}


def test_the_series_that_are_pushed(pushed):
    """Every metric of the contract: its unit, temporality, buckets, labels, and name in Prometheus."""
    receiver, _ = pushed
    (resource,) = receiver.resources("metrics")
    assert attributes(resource.resource)["service.name"] == "shop"
    assert attributes(resource.resource)["service.instance.id"]
    (scope,) = ours([resource], "scope_metrics")
    found = {metric.name: metric for metric in scope.metrics}
    every = metrics_of("latest", chunk_times=False)
    expected = [metric for metric in every if metric.name not in NOT_HERE]
    assert set(found) - NOT_HERE == {metric.name for metric in expected}
    for metric in expected:
        sent = found[metric.name]
        assert (sent.unit, sent.description) == (metric.unit, metric.description)
        assert as_the_collector_names(sent) == metric.prometheus
        data = getattr(sent, sent.WhichOneof("data"))
        assert data.data_points
        for point in data.data_points:
            assert set(attributes(point)) <= set(metric.attributes)
        if metric.kind != "gauge":
            assert data.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
        if metric.kind == "histogram":
            assert all(tuple(one.explicit_bounds) == metric.buckets for one in data.data_points)

    failures = found[names.AUTH_FAILURES.name].sum.data_points
    assert {attributes(one)[names.AUTH_CAUSE]: one.as_int for one in failures} == {
        **dict.fromkeys(names.CAUSES, 0),
        "revoked": 1,
    }


def as_the_collector_names(metric):
    """Return the name that prometheusremotewrite's default translation gives.

    Dots become underscores, the unit a suffix unless it stands in braces, a counter gets
    `_total`: the rules of OpenTelemetry's specification for Prometheus.
    """
    unit = {"s": "_seconds"}.get(metric.unit, "")
    assert unit or re.fullmatch(r"(\{\w+\})?", metric.unit)
    counter = metric.WhichOneof("data") == "sum" and metric.sum.is_monotonic
    return metric.name.replace(".", "_") + unit + ("_total" if counter else "")


def test_the_spans_that_are_pushed(pushed):
    """One a call, with its outcome; the refused one with its cause."""
    receiver, _ = pushed
    spans = [
        (span.name, attributes(span))
        for scope in ours(receiver.resources("traces"), "scope_spans")
        for span in scope.spans
    ]
    assert [
        (name, told.get(names.REQUEST_OUTCOME), told.get(names.AUTH_CAUSE)) for name, told in spans
    ] == [
        ("together.client.init", None, None),
        ("chat a/model", "success", None),
        ("chat a/model", "success", None),
        ("chat a/model", "auth_failure", "revoked"),
    ]


def test_the_log_events_that_are_pushed(pushed):
    """Each is one LogRecord with an event name, in the trace that it belongs to."""
    receiver, _ = pushed
    records = {
        record.event_name: record
        for scope in ours(receiver.resources("logs"), "scope_logs")
        for record in scope.log_records
    }
    expected = names.KEY_CHECKED, names.AUTH_FAILED, names.OPERATION_EXCEPTION
    assert list(records) == [event.name for event in expected]
    failed = records[names.AUTH_FAILED.name]
    assert failed.severity_text == "ERROR"
    assert attributes(failed)[names.AUTH_CAUSE] == "revoked"
    refused = [
        span.trace_id
        for scope in ours(receiver.resources("traces"), "scope_spans")
        for span in scope.spans
        if names.AUTH_CAUSE in attributes(span)
    ]
    assert [failed.trace_id] == refused


def test_no_key_is_pushed(pushed):
    """In no byte of any signal."""
    receiver, keys = pushed
    bodies = {path: body.decode("latin-1") for path, body in receiver.bodies}
    assert set(bodies) == set(Receiver.REQUESTS)
    assert keys.shown_in(bodies) == []


# ── the Deployment ───────────────────────────────────────────────────────────────────


def variables(container, **referred):
    """Return a container's environment as Kubernetes makes it.

    Args:
        container: of a manifest.
        referred: what variables hold that refer to a secret or to the pod.
    """
    made = {}
    for one in container["env"]:
        value = one["value"] if "value" in one else referred.get(one["name"], "")
        made[one["name"]] = re.sub(r"\$\((\w+)\)", lambda found: made[found[1]], value)
    return made


def at_once(times, port, together):
    """Ask so many times at once; return which processes answered.

    Each of gunicorn's own workers does one thing at a time: so many are needed.
    """
    together.script(*[behaviours.slow(60)] * times)
    with ThreadPoolExecutor(times) as callers:
        answers = [callers.submit(get, port) for _ in range(times)]
        together.wait_for(times)
        together.release()
    return {answer.result() for answer in answers}


def test_the_init_containers_command():
    """It lets a good key pass, and not one with the newline that `echo` adds."""
    (check,) = pod()["spec"]["initContainers"]
    program, *arguments = check["command"]
    key = MadeUpKeys().together()
    for given, code in ((key, 0), (key + "\n", 1)):
        done = subprocess.run(
            [BIN / program, *arguments],
            env=variables(check, TOGETHER_API_KEY=given),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == code


def test_the_containers_command(receiver, tmp_path):
    """As it stands, but on loopback: one scrape has all workers, their spans name the pod."""
    (container,) = pod()["spec"]["containers"]
    (script,) = container["args"]
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "wsgi.py").write_text("from wsgi import app")
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "counter_1.db").write_bytes(b"of the container before")
    key, port, scrape_port = MadeUpKeys().together(), free_port(), free_port()
    assert script.count("0.0.0.0:8000") == 1
    with TogetherServer(keys=[key]) as together:
        shop = Running(
            ["/bin/sh", "-c", script.replace("0.0.0.0:8000", f"127.0.0.1:{port}")],
            {
                **variables(container, POD_NAME="shop-1", POD_NAMESPACE="default"),
                **together_of(together, key),
                **otlp_to(receiver),
                "PYTHONPATH": f"{tmp_path}:{PROGRAMS}",
                "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
                "TOGETHER_OTEL_PROMETHEUS_HOST": "127.0.0.1",
                "TOGETHER_OTEL_PROMETHEUS_PORT": str(scrape_port),
                "XDG_RUNTIME_DIR": str(tmp_path),  # for gunicorn's own socket
            },
            tmp_path,
        )
        try:
            shop.until(lambda: get(port, "/pid"))
            shop.until(lambda: get(scrape_port, "/metrics"))
            assert len(at_once(4, port, together)) == 4
            scrape = get(scrape_port, "/metrics")
        finally:
            shop.stop()
    assert total(scrape, names.REQUESTS.prometheus, together_request_outcome="success") == 4
    assert not receiver.resources("metrics")
    resources = receiver.resources("traces")
    spans = [span for scope in ours(resources, "scope_spans") for span in scope.spans]
    assert sum(span.name == "chat a/model" for span in spans) == 4
    for resource in resources:
        assert attributes(resource.resource).items() >= {
            ("service.name", "shop"),
            ("k8s.namespace.name", "default"),
            ("k8s.pod.name", "shop-1"),
        }


def test_each_worker_pushes_as_an_instance(receiver, tmp_path):
    """By the README's variables: forked workers share no series, and no count of theirs is lost."""
    text = (FLEET / "README.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^(OTEL_METRIC\w+)=(\S+)$", text, re.MULTILINE))
    assert said == {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "15000"}
    key, port = MadeUpKeys().together(), free_port()
    command = f"opentelemetry-instrument gunicorn -w 2 --bind 127.0.0.1:{port} wsgi:app"
    with TogetherServer(keys=[key]) as together:
        shop = Running(
            command.split(),
            {
                **said,
                **together_of(together, key),
                **otlp_to(receiver),
                "XDG_RUNTIME_DIR": str(tmp_path),  # for gunicorn's own socket
            },
            tmp_path,
        )
        try:
            shop.until(lambda: get(port, "/pid"))
            assert len(at_once(2, port, together)) == 2
        finally:
            shop.stop()
    counted = {
        attributes(resource.resource)["service.instance.id"]: point.as_int
        for resource in receiver.resources("metrics")
        for scope in ours([resource], "scope_metrics")
        for metric in scope.metrics
        if metric.name == names.REQUESTS.name
        for point in metric.sum.data_points
        if attributes(point)[names.REQUEST_OUTCOME] == "success"
    }
    assert list(counted.values()) == [1, 1]
