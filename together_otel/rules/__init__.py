"""Alert and recording rules, a pure function of `Options`.

The rules depend on no file, environment variable or other package, so that they are the same
wherever they are generated.
"""

from together_otel.rules.authentication import alerts_of
from together_otel.rules.files import render_alerts, render_recording
from together_otel.rules.settings import Options

__all__ = ["Options", "alerts_of", "render_alerts", "render_recording"]
