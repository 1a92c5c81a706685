"""``together-otel demo``: a drill of every cause, on loopback.

The demonstration shows what the SDK says beside what the telemetry says and, where Prometheus and
Alertmanager are installed, the page that a revoked key leads to. It fails if any of it is wrong.
"""
