"""PromQL expressions with placeholders, and metrics that several rules sum."""

import re
from collections.abc import Iterable

from together_otel import names
from together_otel.rules.settings import Options

CAUSE = names.label_of(names.AUTH_CAUSE)
FINGERPRINT = names.label_of(names.KEY_FINGERPRINT)
OPERATION = names.label_of(names.OPERATION)
OUTCOME = names.label_of(names.REQUEST_OUTCOME)
MODEL = names.label_of(names.REQUEST_MODEL)
PROVIDER = names.label_of(names.PROVIDER_NAME)
ERROR = names.label_of(names.ERROR_TYPE)
EVERYWHERE = f'{CAUSE}="unknown"'
"""Matcher of a failure series that every process exports from its start."""
TOGETHER = f'{PROVIDER}="{names.PROVIDER}"'
"""Matcher of the conventions' metrics, which other instrumentations record for other providers."""
SUCCEEDED = f'{ERROR}="",{TOGETHER}'
"""Matchers of the durations of successful requests to Together."""

_SERIES = re.compile(
    r"""(?<![\w:"'])(\w+:\w+:\w+|(?:together_client|gen_ai_client)_\w+|up)\b(?![\w:"(])(\{)?"""
)


def fill(expression: str, options: Options) -> str:
    """Return an expression with its ``<placeholders>`` replaced, limited to the options' jobs.

    ``<by>`` stands for the labels of a service; the others are names of options.
    """
    places = {**vars(options), "by": ", ".join(options.group_by)}
    filled = re.sub(r"<(\w+)>", lambda place: str(places[place[1]]), expression)
    if not options.jobs:
        return filled
    matcher = f'job=~"{options.jobs}"'
    return _SERIES.sub(lambda found: f"{found[1]}{{{matcher}" + ("," if found[2] else "}"), filled)


DURATION_COUNTS = tuple(f"{one.prometheus}_count" for one in names.DURATION_METRICS)
DURATION_BUCKETS = tuple(f"{one.prometheus}_bucket" for one in names.DURATION_METRICS)
TOKENS: dict[str, tuple[str, ...]] = {
    "input": (
        names.INPUT_TOKENS_TOTAL.prometheus,
        f"{names.EMBEDDINGS_INPUT_TOKENS.prometheus}_sum",
    ),
    "output": (names.OUTPUT_TOKENS_TOTAL.prometheus,),
    "cached": (names.CACHED_TOKENS_TOTAL.prometheus,),
    "reasoning": (names.REASONING_TOKENS_TOTAL.prometheus,),
}
"""Metrics of tokens by kind."""
SIZES = {
    "input": (f"{names.INFERENCE_INPUT_TOKENS.prometheus}_bucket",),
    "output": (f"{names.INFERENCE_OUTPUT_TOKENS.prometheus}_bucket",),
}


def rates(metrics: Iterable[str], kept: str, window: str = "5m", matchers: str = TOGETHER) -> str:
    """Return an expression for the sum of the rates of several metrics of requests to Together.

    Joins them with ``or`` and not with a ``__name__`` matcher, as metrics of two releases of the
    conventions may have the same labels in one process. The matchers are for the conventions'.
    """
    where = f"{{{matchers}}}"
    each = "\nor ".join(
        f"rate(\n  {one}{where if one.startswith('gen_ai_') else ''}[{window}])" for one in metrics
    )
    return f"sum by (<by>, {kept}) ({each})"
