"""What ``together-otel doctor`` looks at, a room a question; `examination` asks them all."""
