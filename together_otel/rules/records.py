"""Names of the recorded series that dashboards query."""

from typing import Final

FAILING: Final = "instance:together_auth_failing:since"
KEY_FAILING: Final = "job_key:together_auth_failing:time"
LAST_SUCCESS: Final = "job:together_auth_success:time"
INSTANCES: Final = "job:together_instances:count"
TELEMETRY_ERRORS: Final = "job_stage:together_telemetry_errors:increase5m"
ERRORS: Final = "job:together_errors:rate5m"
COUNTED: Final = "job:together_counted:rate5m"
ERRORS_1H: Final = "job:together_errors:ratio1h"
BUCKETS: Final = "job_operation_model_le:gen_ai_client_duration_seconds_bucket:rate5m"

REQUESTS: Final = "job_operation_outcome:together_client_requests:rate5m"
FAILURES: Final = "job_cause:together_client_auth_failures:rate2m"
CALLS: Final = "job_operation_model_error:gen_ai_client_duration_seconds_count:rate5m"
FIRST_CHUNKS: Final = (
    "job_operation_model_le:gen_ai_client_time_to_first_chunk_seconds_bucket:rate5m"
)
OUTPUT_CHUNKS: Final = "job_operation_model_le:together_client_mean_chunk_seconds_bucket:rate5m"
SIZES: Final = "job_model_kind_le:gen_ai_client_inference_tokens_bucket:rate5m"
TOKENS: Final = "job_operation_model_kind:gen_ai_client_usage_tokens:rate5m"
REMAINING: Final = "job_model:together_client_ratelimit_remaining:ratio"
CHOICES: Final = "job_model_reason:together_client_finish_reasons:rate5m"
PRICES: Final = "model_kind:together_price:dollars_per_token"
"""Recorded by a user's own rule; this package does not know prices."""
