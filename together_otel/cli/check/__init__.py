"""``together-otel check``: inspects the environment's key, and can ask whether it is accepted."""
