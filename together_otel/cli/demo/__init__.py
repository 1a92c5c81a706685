"""``python -m together_otel.cli.demo``: an application meets every kind of bad key, on loopback.

Each scenario runs the same unchanged application under ``opentelemetry-instrument``. The
demonstration shows what the SDK said beside what the telemetry says, and, where Prometheus and
Alertmanager are at hand, the page that a revoked key leads to. It fails if any of it is not
as it should be.
"""
