"""Observability for Together AI's Python SDK: detects, identifies and counts auth failures.

``instrument()`` turns it on in code; ``opentelemetry-instrument`` does so without changes to the
application. ``inspect_key()`` reports what a key looks like before a client is created with it.
"""

from typing import TYPE_CHECKING

from together_otel.plain.lazy import lazily

if TYPE_CHECKING:
    from together_otel.auth.preflight import UnusableKeyError
    from together_otel.instrumentor import (
        TogetherInstrumentor,
        __version__,
        instrument,
        uninstrument,
    )
    from together_otel.keys import Diagnosis, KeyReport, diagnose, inspect_key, redact
else:
    __getattr__ = lazily(
        __name__,
        {
            "auth.preflight": ["UnusableKeyError"],
            "instrumentor": ["TogetherInstrumentor", "__version__", "instrument", "uninstrument"],
            "keys": ["Diagnosis", "KeyReport", "diagnose", "inspect_key", "redact"],
        },
    )

__all__ = [
    "Diagnosis",
    "KeyReport",
    "TogetherInstrumentor",
    "UnusableKeyError",
    "__version__",
    "diagnose",
    "inspect_key",
    "instrument",
    "redact",
    "uninstrument",
]
