"""``together-otel demo``: runs a drill of every cause on loopback.

It shows the SDK's errors beside the telemetry and, if Prometheus and Alertmanager are installed,
the page for a revoked key. It fails if any of these is wrong.
"""
