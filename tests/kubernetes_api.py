"""As much of a Kubernetes API as Helm asks before it installs a chart, to see what it would."""

import asyncio
import base64
import gzip
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml
from serving import Quiet, serving

GROUP = "monitoring.coreos.com"
KINDS = {
    "v1": {"configmaps": "ConfigMap", "secrets": "Secret"},
    f"{GROUP}/v1": {"prometheusrules": "PrometheusRule", "servicemonitors": "ServiceMonitor"},
}
"""What the API has, by version and name."""
_VERSION = {"groupVersion": f"{GROUP}/v1", "version": "v1"}
_GROUP = {"name": GROUP, "versions": [_VERSION], "preferredVersion": _VERSION}
ANSWERS = {
    "/version": {"major": "1", "minor": "33", "gitVersion": "v1.33.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP]},
    "/api/v1/namespaces/monitoring/secrets": {"kind": "SecretList", "apiVersion": "v1"},
    **{
        f"/api{'s' if '/' in version else ''}/{version}": {
            "kind": "APIResourceList",
            "groupVersion": version,
            "resources": [
                {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": []}
                for name, kind in kinds.items()
            ],
        }
        for version, kinds in KINDS.items()
    },
}


class _Handler(Quiet, BaseHTTPRequestHandler):
    """Knows what there may be, has nothing, and takes nothing."""

    releases: list[str]

    def do_GET(self):
        found = ANSWERS.get(self.path.partition("?")[0])
        if found is None:
            self._answer(404, {"kind": "Status", "status": "Failure", "reason": "NotFound"})
        else:
            self._answer(200, found)

    def do_POST(self):
        """Keep the release that Helm stores before anything else, and refuse it."""
        body = self.body()
        for packed in re.findall(rb"H4sI[\w+/=]+", body):
            self.releases.append(json.loads(gzip.decompress(base64.b64decode(packed)))["manifest"])
        self._answer(403, {"kind": "Status", "status": "Failure", "reason": "Forbidden"})

    def _answer(self, code, content):
        self.answer(code, json.dumps(content).encode(), content_type="application/json")


def rendered(helm, chart, folder, **values):
    """Return what Helm would install of a chart.

    Args:
        helm: the module ``helm_sdkpy``.
        chart: its folder.
        folder: for files of its own.
        values: that differ from the chart's.
    """

    class Handler(_Handler):
        releases: list[str] = []  # noqa: RUF012 - of this server alone

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        path = folder / "kubeconfig.json"
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "here", "cluster": {"server": address}}],
                    "contexts": [{"name": "here", "context": {"cluster": "here"}}],
                    "current-context": "here",
                }
            )
        )
        config = helm.Configuration(namespace="monitoring", kubeconfig=str(path))
        install = helm.Install(config).run("together", str(chart), values=values, wait=False)
        try:
            asyncio.run(install)
        except helm.InstallError as exc:
            if not Handler.releases:
                raise AssertionError(str(exc)) from None
    (manifest,) = Handler.releases
    return [one for one in yaml.safe_load_all(manifest) if one]
