"""``together-otel check``: the key of an environment, and whether Together accepts it."""
