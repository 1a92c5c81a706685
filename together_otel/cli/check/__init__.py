"""``together-otel check``: inspects the environment's key, and can ask Together to accept it."""
