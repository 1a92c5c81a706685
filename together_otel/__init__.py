"""Observability for Together AI's Python SDK: every auth failure seen, named and counted.

``instrument()`` turns it on by hand; ``opentelemetry-instrument`` does so without a change to the
application. ``inspect_key()`` tells what a key looks like before a client is made of it.
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
