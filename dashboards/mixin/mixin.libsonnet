// A mixin like kubernetes-mixin: `prometheusAlerts`, `prometheusRules`, `grafanaDashboards`.
//
//   local together = (import 'mixin.libsonnet') + { _config+:: { severities+: { TogetherAuthFailure: 'none' } } };
//   std.manifestYamlDoc(together.prometheusAlerts)
//
// To change thresholds, grouping or jobs, write the mixin again with the settings of together-otel
// export.
{
  _config+:: {
    // Severities by alert, instead of page and ticket; none leaves an alert out.
    severities: {},
    // Labels that every alert has in addition to its own.
    alertLabels: {},
    // URL of your copy of the runbook, without an anchor.
    runbookURL: runbook,
    dashboardTags: ['together-otel'],
    dashboardRefresh: '30s',
  },

  local config = $._config,
  local runbook = 'https://github.com/together-otel/together_otel/blob/main/dashboards/runbook.md',
  local replaced(text) = std.strReplace(text, runbook, config.runbookURL),

  local rule(one) =
    if !std.objectHas(one, 'alert') then one else one {
      labels+: { severity: std.get(config.severities, one.alert, super.severity) } + config.alertLabels,
    },

  local rules(text) = {
    groups: [
      group {
        rules: [
          rule(one)
          for one in super.rules
          if !std.objectHas(one, 'alert') || std.get(config.severities, one.alert, '') != 'none'
        ],
      }
      for group in std.parseJson(replaced(text)).groups
    ],
  },

  local dashboard(text) = std.parseJson(replaced(text)) {
    tags: config.dashboardTags,
    refresh: config.dashboardRefresh,
    // The dashboards find each other by their first tag.
    links: [
      if one.type == 'dashboards' then one { tags: [config.dashboardTags[0]] } else one
      for one in super.links
    ],
  },

  prometheusAlerts+:: rules(importstr 'rules/alerts.json'),
  prometheusRules+:: rules(importstr 'rules/recording.json'),
  grafanaDashboards+:: {
    'authentication.json': dashboard(importstr 'dashboards/authentication.json'),
    'fleet.json': dashboard(importstr 'dashboards/fleet.json'),
    'requests.json': dashboard(importstr 'dashboards/requests.json'),
  },
}
