"""``together-otel export``: writes dashboards, rules and configuration files."""
