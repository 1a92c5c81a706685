"""For tests: a Together server on loopback, and telemetry caught in memory.

``behaviours`` is what ``TogetherServer`` can be told to do. ``python -m together_otel.testing``
runs the server for other processes.
"""

from together_otel.testing import behaviours
from together_otel.testing.exchange import ReceivedRequest
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.server import TogetherServer
from together_otel.testing.telemetry import CapturedTelemetry

__all__ = ["CapturedTelemetry", "MadeUpKeys", "ReceivedRequest", "TogetherServer", "behaviours"]
