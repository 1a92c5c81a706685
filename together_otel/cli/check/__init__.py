"""What ``together-otel check`` finds out: the key of an environment, and what Together says of it."""
