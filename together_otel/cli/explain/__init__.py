"""``together-otel explain``: what a cause, an alert, a problem of a key, a metric or an event means."""
