"""All names that this package uses in spans, metrics and logs.

The README's tables, the alert rules and the dashboards are generated from this module or tested
against it. It imports neither OpenTelemetry nor prometheus_client nor an SDK. It is longer than
other modules because it is one lookup table.
"""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

SCOPE: Final = "together_otel"
"""Instrumentation scope, and the name of the logger that carries the log events."""

PROVIDER: Final = "together"
"""Value of ``gen_ai.provider.name``."""

KEY_VARIABLE: Final = "TOGETHER_API_KEY"
"""The environment variable that Together's SDK reads."""

KEYS_PAGE: Final = "https://api.together.ai/settings/api-keys"
"""The page where users of Together create and manage keys."""

# ── closed sets of values ────────────────────────────────────────────────────────────

Presence = Literal["present", "empty", "missing"]
Source = Literal["argument", "environment", "colab", "header", "none"]
Format = Literal[
    "tgp_v1", "legacy_hex", "other_provider", "placeholder", "damaged", "unrecognized", "none"
]
Problem = Literal[
    "surrounding_whitespace",
    "inner_whitespace",
    "newline",
    "control_character",
    "non_ascii",
    "invisible_character",
    "quoted",
    "bearer_prefix",
    "assignment",
    "unexpanded_reference",
    "too_short",
    "too_long",
    "doubled",
    "case_changed",
    "base64_encoded",
    "json_document",
    "file_path",
    "not_text",
]
Cause = Literal[
    "redirected",
    "overridden",
    "header_lost",
    "wrong_endpoint",
    "revoked",
    "wrong_variable",
    "not_passed",
    "missing",
    "empty",
    "wrong_provider",
    "malformed",
    "rejected",
    "unknown",
]
Outcome = Literal[
    "success",
    "auth_failure",
    "payment_required",
    "rate_limited",
    "client_error",
    "server_error",
    "connection_error",
    "timeout",
    "cancelled",
    "abandoned",
]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error", "other"]
GenAIMetrics = Literal["latest", "legacy", "both"]
"""The release of the GenAI conventions that names the metrics of requests."""
RecoveryOutcome = Literal["recovered", "no_new_key", "refused_again", "source_failed"]
RecoverySource = Literal["file", "environment", "command", "prompt", "function", "former"]
Stage = Literal[
    "begin", "finish", "stream", "content", "client_init", "log", "patch", "collect", "recovery"
]

PRESENCES: Final[tuple[Presence, ...]] = get_args(Presence)
SOURCES: Final[tuple[Source, ...]] = get_args(Source)
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
PROBLEMS: Final[tuple[Problem, ...]] = get_args(Problem)
CAUSES: Final[tuple[Cause, ...]] = get_args(Cause)
"""In order of precedence: if several causes fit, the first is reported."""
NO_FAILURE: Final = ("success", "abandoned")
"""Outcomes of requests that did not fail."""
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
RECOVERY_OUTCOMES: Final[tuple[RecoveryOutcome, ...]] = get_args(RecoveryOutcome)
"""Outcomes of a search for another key after a refusal."""
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
"""Parts of this package in which its own errors are swallowed and counted."""

CAUSE_MEANINGS: Final[dict[Cause, str]] = {
    "redirected": "The server redirected the request to another host, and the HTTP client dropped the key on the way.",
    "overridden": "What was sent is not the client's key: an option, base_url, a hook or the HTTP client's own auth replaced it.",
    "header_lost": "The key was sent but did not arrive: a proxy or gateway on the way removes the Authorization header.",
    "wrong_endpoint": "The request was refused by a server that is not Together's, or a proxy answered with its login page.",
    "revoked": "The key was accepted earlier in this process and is refused now: it was revoked or has expired.",
    "wrong_variable": "There is no usable key where the SDK looks, but another environment variable holds one of Together's shape.",
    "not_passed": "A well-formed TOGETHER_API_KEY was not sent: an api_key argument that cannot work overrides it, or the request has no key.",
    "missing": "There is no key anywhere: no api_key argument, and TOGETHER_API_KEY is unset.",
    "empty": "The key is a string of zero length or of white space only.",
    "wrong_provider": "The key is another provider's.",
    "malformed": "The key cannot work: it was damaged in copying, is a placeholder, or does not fit into an HTTP header.",
    "rejected": "The key is well-formed but was never accepted here: a typo, another account's key, or one that was revoked or expired before.",
    "unknown": "None of the known causes fits.",
}

CAUSE_REMEDIES: Final[dict[Cause, str]] = {
    "redirected": "Point base_url or TOGETHER_BASE_URL at the final host.",
    "overridden": "Remove Authorization from the place that the log names.",
    "header_lost": "Make the proxy or gateway forward the Authorization header.",
    "wrong_endpoint": "Check base_url, TOGETHER_BASE_URL and any proxy on the way; list your own gateways in TOGETHER_OTEL_HOSTS.",
    "revoked": "Make a new key on the account's page and replace the old one everywhere.",
    "wrong_variable": "Rename the variable that the log names to TOGETHER_API_KEY.",
    "not_passed": "Remove the api_key argument, or pass it the value of TOGETHER_API_KEY.",
    "missing": "Set TOGETHER_API_KEY in the environment of the process.",
    "empty": "Put Together's key into the variable or argument that the log names.",
    "wrong_provider": "Put Together's key into the variable or argument that the log names.",
    "malformed": "Correct what the log names: a newline, quotes, a lost character.",
    "rejected": "Compare the key with those on the account's page and replace it.",
    "unknown": "Compare the key with those on the account's page and replace it.",
}
"""General remedies; `keys.diagnosis` names the variable or argument at fault."""

# ── attributes ───────────────────────────────────────────────────────────────────────

AUTH_CAUSE: Final = "together.auth.cause"
AUTH_REMEDY: Final = "together.auth.remedy"
AUTH_SUPPRESSED: Final = "together.auth.suppressed"
AUTH_RUNBOOK: Final = "together.auth.runbook"
AUTH_FAILED_FOR: Final = "together.auth.failed_for"
KEY_PRESENCE: Final = "together.api_key.presence"
KEY_SOURCE: Final = "together.api_key.source"
KEY_FORMAT: Final = "together.api_key.format"
KEY_PROBLEMS: Final = "together.api_key.problems"
KEY_LENGTH: Final = "together.api_key.length"
KEY_FINGERPRINT: Final = "together.api_key.fingerprint"
KEY_VARIABLE_NAME: Final = "together.api_key.variable"
RECOVERY_OUTCOME: Final = "together.recovery.outcome"
RECOVERY_SOURCE: Final = "together.recovery.source"
RECOVERY_ASKED: Final = "together.recovery.asked"
CLIENT_LIBRARY: Final = "together.client.library"
REQUEST_OUTCOME: Final = "together.request.outcome"
REQUEST_ID: Final = "together.request.id"
TELEMETRY_STAGE: Final = "together.telemetry.stage"
DRILL_CAUSE: Final = "together.drill.cause"
"""The simulated failure, on the resource and the log events of a drill."""
DRILL_DURATION: Final = "together.drill.duration"

OPERATION: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
RESPONSE_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
REQUEST_STREAM: Final = "gen_ai.request.stream"
OUTPUT_TYPE: Final = "gen_ai.output.type"
CHOICE_COUNT: Final = "gen_ai.request.choice.count"
STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
PREVIOUS_RESPONSE: Final = "gen_ai.request.previous_response.id"
CONVERSATION: Final = "gen_ai.conversation.id"
ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
RATELIMIT: Final = "together.ratelimit."
RATELIMITS: Final = ("limit", "remaining", "reset")
"""Suffixes of `RATELIMIT`, as in the headers ``x-ratelimit-*``."""
TOKEN_MODALITY: Final = "gen_ai.token.modality"  # noqa: S105 - not a secret: the name of an attribute
FINISH_REASON: Final = "together.finish_reason"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - not a secret: the name of an attribute
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
STATUS_CODE: Final = "http.response.status_code"
RESEND_COUNT: Final = "http.request.resend_count"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
EVENT_NAME: Final = "otel.event.name"

EXCEPTION_EVENT: Final = "exception"
"""OpenTelemetry's name for the span event of a recorded exception."""

KEY_RECOVERED_EVENT: Final = "together.client.key_recovered"
"""Span event of a request that is retried with another key."""

FINISH_REASONS_COUNTED: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}
"""Finish reasons of servers and the values they are counted as; any other is ``other``."""
OTHER: Final = "_other"
"""Label value in place of further distinct values once a label has reached its limit."""
OTHER_ERROR: Final = "_OTHER"
"""OpenTelemetry's ``error.type`` for errors without a more specific one."""
MODEL_LIMIT: Final = 100
SERVER_LIMIT: Final = 20
OPERATION_LIMIT: Final = 200
"""A safeguard: `clients.operations` produces fewer distinct values."""
ERROR_TYPE_LIMIT: Final = 100
FINGERPRINT_LIMIT: Final = 32
"""Number of fingerprints that a process reports: the most recently used."""

# ── spans ────────────────────────────────────────────────────────────────────────────

CLIENT_INIT_SPAN: Final = "together.client.init"
CALL_SPAN: Final = "together.client.call"
"""Span of a call that has a GenAI span of another instrumentation; adds what that one lacks."""

# ── metrics ──────────────────────────────────────────────────────────────────────────

TIME_BUCKETS: Final[tuple[float, ...]] = tuple(0.01 * 2**i for i in range(14))
TOKEN_BUCKETS: Final[tuple[float, ...]] = tuple(float(4**i) for i in range(14))

CALL_LABELS: Final = (
    OPERATION,
    PROVIDER_NAME,
    REQUEST_MODEL,
    RESPONSE_MODEL,
    SERVER_ADDRESS,
    SERVER_PORT,
)
"""Attributes of request metrics, common to all of them in the GenAI conventions."""

ERROR_LABELS: Final = (*CALL_LABELS, ERROR_TYPE)

Kind = Literal["counter", "gauge", "histogram"]
SharedMode = Literal["max", "livemax", "livemostrecent"]


@dataclass(frozen=True, eq=False)  # compared by identity, which is faster than by value
class Metric:
    """One metric, as both backends emit it.

    The unit is in UCUM. Values are passed in the order of the attributes. ``shared`` is how a
    gauge's values are merged across processes that share a folder.
    """

    name: str
    unit: str
    description: str
    attributes: tuple[str, ...] = CALL_LABELS
    kind: Kind = "histogram"
    shared: SharedMode = "max"

    @property
    def prometheus(self) -> str:
        """The name of its samples, as OpenTelemetry's Prometheus exporter forms it.

        For histograms, without ``_bucket``, ``_count`` and ``_sum``.
        """
        seconds = "_seconds" if self.unit == "s" else ""
        return label_of(self.name) + seconds + ("_total" if self.kind == "counter" else "")

    @property
    def buckets(self) -> tuple[float, ...]:
        """The upper bounds of a histogram's buckets, in its unit; empty for other kinds."""
        if self.kind != "histogram":
            return ()
        return TIME_BUCKETS if self.unit == "s" else TOKEN_BUCKETS

    @property
    def labels(self) -> tuple[str, ...]:
        """The attributes' names as Prometheus labels."""
        return tuple(label_of(attribute) for attribute in self.attributes)


def label_of(attribute: str) -> str:
    """Return the Prometheus label of an attribute, with underscores in place of dots."""
    return attribute.replace(".", "_")


AUTH_FAILURES: Final = Metric(
    "together.client.auth.failures",
    "{failure}",
    "Authentication failures of Together clients by cause, in constructors and requests.",
    (AUTH_CAUSE,),
    "counter",
)
AUTH_LAST_FAILURE: Final = Metric(
    "together.client.auth.last_failure.timestamp",
    "s",
    "Unix time of the last authentication failure with this cause.",
    (AUTH_CAUSE,),
    "gauge",
)
AUTH_LAST_SUCCESS: Final = Metric(
    "together.client.auth.last_success.timestamp",
    "s",
    "Unix time at which a request was last accepted, whatever its key.",
    (),
    "gauge",
)
KEY_CHECKS: Final = Metric(
    "together.client.key.checks",
    "{check}",
    "API keys inspected when a client was constructed.",
    (KEY_PRESENCE, KEY_FORMAT, KEY_SOURCE),
    "counter",
)
REQUESTS: Final = Metric(
    "together.client.requests",
    "{request}",
    "Requests of Together clients by operation and outcome; a request and its retries count once.",
    (OPERATION, REQUEST_OUTCOME),
    "counter",
)
RETRIES: Final = Metric(
    "together.client.retries", "{retry}", "Retries by the SDK itself.", (OPERATION,), "counter"
)
CHOICES: Final = Metric(
    "together.client.finish_reasons",
    "{choice}",
    "Generated choices, by finish reason.",
    (OPERATION, REQUEST_MODEL, FINISH_REASON),
    "counter",
)
RATELIMIT_REMAINING: Final = Metric(
    "together.client.ratelimit.remaining",
    "{request}",
    "Remaining requests of the rate limit, as the server last reported it.",
    (REQUEST_MODEL,),
    "gauge",
    shared="livemostrecent",
)
RATELIMIT_LIMIT: Final = Metric(
    "together.client.ratelimit.limit",
    "{request}",
    "Requests that the rate limit allows in one period, as the server last reported it.",
    (REQUEST_MODEL,),
    "gauge",
    shared="livemostrecent",
)
KEY_INFO: Final = Metric(
    "together.client.key.info",
    "",
    "API keys in use in this process, by fingerprint; always 1.",
    (KEY_FINGERPRINT, KEY_FORMAT, KEY_SOURCE),
    "gauge",
    shared="livemax",
)
KEY_LAST_ACCEPTED: Final = Metric(
    "together.client.key.last_accepted.timestamp",
    "s",
    "Unix time at which a request with this key was last accepted.",
    (KEY_FINGERPRINT,),
    "gauge",
)
KEY_LAST_REFUSED: Final = Metric(
    "together.client.key.last_refused.timestamp",
    "s",
    "Unix time at which a request with this key was last refused.",
    (KEY_FINGERPRINT,),
    "gauge",
)
KEY_RECOVERIES: Final = Metric(
    "together.client.key.recoveries",
    "{recovery}",
    "Searches for another key after an authentication failure, by outcome.",
    (RECOVERY_OUTCOME,),
    "counter",
)
TELEMETRY_ERRORS: Final = Metric(
    "together.client.telemetry.errors",
    "{error}",
    "Errors of the instrumentation itself, kept from the application.",
    (TELEMETRY_STAGE,),
    "counter",
)
MEAN_CHUNK_TIME: Final = Metric(
    "together.client.stream.mean_time_per_output_chunk",
    "s",
    "Mean time between two chunks of a stream; one record for each stream.",
)

# Metrics of the GenAI conventions, release 0.1.0, by kind of operation.
INFERENCE_DURATION: Final = Metric(
    "gen_ai.client.inference.duration",
    "s",
    "Duration of a request that generates output, as the caller sees it, including retries.",
    ERROR_LABELS,
)
INFERENCE_FIRST_CHUNK: Final = Metric(
    "gen_ai.client.inference.time_to_first_chunk",
    "s",
    "Time from the request to the first chunk of a stream.",
)
INFERENCE_CHUNK_TIME: Final = Metric(
    "gen_ai.client.inference.time_per_output_chunk",
    "s",
    "Time between two chunks of a stream; one record for each chunk after the first.",
)
_MODALITY_LABELS: Final = (*CALL_LABELS, TOKEN_MODALITY)
INPUT_TOKENS_TOTAL: Final = Metric(
    "gen_ai.client.inference.usage.input_tokens",
    "{token}",
    "Input tokens, as the server reports them, including cached tokens.",
    _MODALITY_LABELS,
    "counter",
)
OUTPUT_TOKENS_TOTAL: Final = Metric(
    "gen_ai.client.inference.usage.output_tokens",
    "{token}",
    "Output tokens, as the server reports them, including reasoning tokens.",
    _MODALITY_LABELS,
    "counter",
)
CACHED_TOKENS_TOTAL: Final = Metric(
    "gen_ai.client.inference.usage.cache_read.input_tokens",
    "{token}",
    "Input tokens that the server read from a cache.",
    _MODALITY_LABELS,
    "counter",
)
REASONING_TOKENS_TOTAL: Final = Metric(
    "gen_ai.client.inference.usage.reasoning.output_tokens",
    "{token}",
    "Output tokens used for reasoning.",
    _MODALITY_LABELS,
    "counter",
)
INFERENCE_INPUT_TOKENS: Final = Metric(
    "gen_ai.client.inference.operation.input_tokens", "{token}", "Input tokens of one request."
)
INFERENCE_OUTPUT_TOKENS: Final = Metric(
    "gen_ai.client.inference.operation.output_tokens", "{token}", "Output tokens of one request."
)
EMBEDDINGS_DURATION: Final = Metric(
    "gen_ai.client.embeddings.duration",
    "s",
    "Duration of a request for embeddings, as the caller sees it, including retries.",
    ERROR_LABELS,
)
EMBEDDINGS_INPUT_TOKENS: Final = Metric(
    "gen_ai.client.embeddings.operation.input_tokens",
    "{token}",
    "Input tokens of one request for embeddings.",
)
OPERATION_DURATION: Final = Metric(
    "gen_ai.client.operation.duration",
    "s",
    "Duration of a request as the caller sees it, including retries.",
    ERROR_LABELS,
)

# Metrics of release 1.37 of the conventions, for any operation.
TOKEN_USAGE: Final = Metric(
    "gen_ai.client.token.usage",
    "{token}",
    "Tokens used by one operation, as the server reports them.",
    (*CALL_LABELS, TOKEN_TYPE),
)
OPERATION_FIRST_CHUNK: Final = Metric(
    "gen_ai.client.operation.time_to_first_chunk",
    "s",
    "Time from the request to the first chunk of a stream.",
)
OPERATION_CHUNK_TIME: Final = Metric(
    "gen_ai.client.operation.time_per_output_chunk",
    "s",
    "Time between two chunks of a stream; one record for each chunk after the first.",
)

METRICS: Final[tuple[Metric, ...]] = tuple(
    one for one in globals().values() if isinstance(one, Metric)
)
"""All metrics that this package can emit."""
OWN_METRICS: Final[tuple[Metric, ...]] = tuple(
    one for one in METRICS if one.name.startswith("together.")
)
"""Metrics that are specific to this package."""
LEGACY_METRICS: Final[tuple[Metric, ...]] = tuple(
    one
    for one in METRICS
    if one.name.startswith(("gen_ai.client.operation.", "gen_ai.client.token."))
)
"""Metrics of the GenAI conventions, release 1.37, and its planned metrics of streams."""
LATEST_METRICS: Final[tuple[Metric, ...]] = tuple(
    one
    for one in METRICS
    if one not in {*OWN_METRICS, *LEGACY_METRICS} or one is OPERATION_DURATION
)
"""Metrics of the GenAI conventions, release 0.1.0."""
DURATION_METRICS: Final = (INFERENCE_DURATION, EMBEDDINGS_DURATION, OPERATION_DURATION)
"""Durations of requests, by kind of operation."""

CHUNK_METRICS: Final = (INFERENCE_CHUNK_TIME, OPERATION_CHUNK_TIME)
"""Metrics with one record per chunk, off by default."""

INFERENCE_OPERATIONS: Final = frozenset(
    (
        "chat",
        "text_completion",
        "image_generation",
        "speech",
        "transcription",
        "translation",
        "video_generation",
    )
)
"""Operations measured by the inference metrics; ``embeddings`` has its own."""


def is_ours(name: str) -> bool:
    """Return whether a name in Prometheus belongs to one of these metrics."""
    return name.startswith(("together_client_", "gen_ai_client_"))


# ── log events ───────────────────────────────────────────────────────────────────────


class Event(NamedTuple):
    """The name of a log event, in a type of its own because names of attributes are strings."""

    name: str


KEY_CHECKED: Final = Event("together.client.key_checked")
AUTH_FAILED: Final = Event("together.client.auth_failed")
AUTH_RECOVERED: Final = Event("together.client.auth_recovered")
KEY_RECOVERED: Final = Event("together.client.key_recovered")
KEY_NOT_RECOVERED: Final = Event("together.client.key_not_recovered")
KEY_ROTATED: Final = Event("together.client.key_rotated")
REQUEST_NOT_REPEATED: Final = Event("together.client.request_not_repeated")
OPERATION_EXCEPTION: Final = Event("gen_ai.client.inference.exception")
OPERATION_DETAILS: Final = Event("gen_ai.client.inference.operation.details")
DRILL_STARTED: Final = Event("together.client.drill_started")
DRILL_ENDED: Final = Event("together.client.drill_ended")

EVENTS: Final[tuple[Event, ...]] = tuple(
    one for one in globals().values() if isinstance(one, Event)
)
