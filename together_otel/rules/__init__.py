"""The alert and recording rules: a pure function of `Options`.

Nothing here reads a file or an environment variable, and nothing but `together_otel.names` and
the standard library is needed, so that the same rules can be made wherever this package is.
"""

from together_otel.rules.authentication import alerts_of
from together_otel.rules.files import render_alerts, render_recording
from together_otel.rules.settings import Options

__all__ = ["Options", "alerts_of", "render_alerts", "render_recording"]
