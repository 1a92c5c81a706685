"""``together-otel export``: dashboards, rules and configuration files."""
