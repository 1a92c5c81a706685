"""For tests: a Together server on loopback, and telemetry caught in memory.

``together_otel.testing.server`` holds ``TogetherServer``, ``together_otel.testing.behaviours``
what it can be told to do, and ``together_otel.testing.telemetry`` ``CapturedTelemetry``.
"""
