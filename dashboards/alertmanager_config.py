"""Makes prometheus-operator's AlertmanagerConfig of Alertmanager's own configuration.

Templates stand in it as they are written out: an AlertmanagerConfig cannot bring files of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = """\
# Written by dashboards/build.py from dashboards/alertmanager. Change it there.
#
# For prometheus-operator. By default the operator adds the matcher namespace="NAMESPACE", with the
# namespace of this resource, to each of its routes and inhibition rules. Either apply this resource
# to each namespace with monitored applications, whose alerts have that label
# (kubectl -n shop apply -f …), or apply it once and set in the Alertmanager resource
#
#   spec:
#     alertmanagerConfigMatcherStrategy:
#       type: None
#
# Otherwise the resource is accepted, but nobody is notified. Alerts that match no route of the
# operator go to the Alertmanager's own receiver.
#
# Fill in the Secret together-receivers with the keys pagerduty-key and slack-url in the same
# namespace, the webhook's URL, and Grafana's address instead of https://grafana.example.
"""
_SECRETS = {
    "routing_key_file": ("routingKey", "pagerduty-key"),
    "api_url_file": ("apiURL", "slack-url"),
}
_NAMES = {"client_url": "clientURL", "pagerduty_configs": "pagerdutyConfigs"}
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"(.*)"')
_DEFINITION = re.compile(
    r'^\{\{ define "(?P<name>[\w.]+)" -?\}\}(?P<body>.*?)\{\{-? end \}\}$', re.MULTILINE | re.DOTALL
)
_USE = re.compile(r'\{\{ template "(?P<name>[\w.]+)" \. \}\}')


def render(folder: Path) -> str:
    """Return the manifest of what a folder has for Alertmanager."""
    config = yaml.safe_load((folder / "alertmanager.yaml").read_text(encoding="utf-8"))
    templates = _templates((folder / "templates" / "together.tmpl").read_text(encoding="utf-8"))
    (route,) = config["route"]["routes"]
    used = {"together-pages", "together-tickets"}
    receivers = [one for one in config["receivers"] if one["name"] in used]
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1alpha1",
        "kind": "AlertmanagerConfig",
        "metadata": {
            "name": "together-otel",
            "labels": {"app.kubernetes.io/name": "together-otel"},
        },
        "spec": {
            "route": _converted(route),
            "inhibitRules": [_converted(one) for one in config["inhibit_rules"]],
            "receivers": [_converted(one) for one in receivers],
        },
    }
    return _HEADER + yaml.dump(
        _written_out(manifest, templates),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )


class _Dumper(yaml.SafeDumper):
    """Writes no anchors, lists below their keys, and lines as lines."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's own
        del indentless
        return super().increase_indent(flow, indentless=False)

    def represent_scalar(self, tag: str, value: Any, style: str | None = None) -> Any:
        return super().represent_scalar(tag, value, "|" if "\n" in str(value) else style)


def _templates(text: str) -> dict[str, str]:
    """Return what is defined, each by the body that stands for it."""
    text = re.sub(r"\{\{/\*.*?\*/\}\}\n", "", text, flags=re.DOTALL)
    # A marker at the end would trim what comes after the template.
    return {
        one["name"]: re.sub(r" -\}\}$", " }}", one["body"].strip())
        for one in _DEFINITION.finditer(text)
    }


def _written_out(value: Any, templates: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _written_out(one, templates) for key, one in value.items()}
    if isinstance(value, list):
        return [_written_out(one, templates) for one in value]
    while isinstance(value, str) and _USE.search(value):
        value = _USE.sub(lambda one: templates[one["name"]], value)
    return value


def _converted(value: Any) -> Any:
    """Return Alertmanager's configuration in the operator's words."""
    if isinstance(value, list):
        return [_converted(one) for one in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for key, one in value.items():
        if key in _SECRETS:
            name, entry = _SECRETS[key]
            made[name] = {"name": "together-receivers", "key": entry}
        elif key == "details":
            made[key] = [{"key": name, "value": text} for name, text in one.items()]
        elif key == "links":
            made["pagerDutyLinkConfigs"] = [
                {"alt": link["text"], "href": link["href"]} for link in one
            ]
        elif key in {"matchers", "source_matchers", "target_matchers"}:
            made[_camel(key).replace("Matchers", "Match")] = [_matcher(text) for text in one]
        else:
            made[_NAMES.get(key) or _camel(key)] = _converted(one)
    return made


def _matcher(text: str) -> dict[str, str]:
    found = _MATCHER.fullmatch(text)
    assert found is not None, text  # noqa: S101 - our own file
    name, kind, value = found.groups()
    return {"name": name, "value": value, "matchType": kind}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(one.title() for one in others)
