"""``together-otel doctor``: one module for each kind of check; `command` runs all of them."""
