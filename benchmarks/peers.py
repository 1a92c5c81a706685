"""Other instrumentations of the same SDK, for comparisons."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Peer(NamedTuple):
    """An instrumentation; ``start`` turns it on, given its module, with the global providers."""

    distribution: str
    module: str
    start: Callable[[Any], object]

    def turn_on(self) -> None:
        """Instrument the SDK in this process."""
        self.start(importlib.import_module(self.module))


PEERS = {
    "openinference": Peer(
        "openinference-instrumentation-together",
        "openinference.instrumentation.together",
        lambda module: module.TogetherInstrumentor().instrument(),
    ),
    "traceloop": Peer(
        "opentelemetry-instrumentation-together",
        "opentelemetry.instrumentation.together",
        lambda module: module.TogetherAiInstrumentor().instrument(),
    ),
    "respan": Peer(
        "respan-instrumentation-together",
        "respan_instrumentation_together",
        lambda module: module.TogetherInstrumentor().activate(),
    ),
    "genai-otel": Peer(
        "genai-otel-instrument",
        "genai_otel.instrumentors.togetherai_instrumentor",
        lambda module: module.TogetherAIInstrumentor().instrument(module.OTelConfig()),
    ),
}
