"""``together-otel doctor``: one module for each thing that is checked; `command` runs all."""
