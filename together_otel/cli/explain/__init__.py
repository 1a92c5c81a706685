"""``together-otel explain``: explains a cause or an alert."""
