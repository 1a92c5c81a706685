"""Test helpers: a scriptable Together server on loopback, and capture of telemetry in memory.

``behaviours`` contains the responses that a ``TogetherServer`` can be scripted to give.
``python -m together_otel.testing`` runs the server for other processes.
"""

from together_otel.testing import behaviours
from together_otel.testing.exchange import ReceivedRequest
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.server import TogetherServer
from together_otel.testing.telemetry import CapturedTelemetry

__all__ = ["CapturedTelemetry", "MadeUpKeys", "ReceivedRequest", "TogetherServer", "behaviours"]
