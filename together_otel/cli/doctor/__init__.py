"""``together-otel doctor``: one module for each thing that is checked; `examination` runs all."""
