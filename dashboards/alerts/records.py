"""Names of the series that the alerts record for themselves, which dashboards may use too."""

from __future__ import annotations

from typing import Final

INSTANCE_FAILURES: Final = "job_instance_cause:together_client_auth_failures:increase5m"
CAUSE_FAILURES: Final = "job_cause:together_client_auth_failures:increase5m"
JOB_FAILURES: Final = "job:together_client_auth_failures:increase5m"
REQUESTS_1M: Final = "job_outcome:together_client_requests:increase1m"
REQUESTS_5M: Final = "job_outcome:together_client_requests:increase5m"
REQUESTS_1H: Final = "job_outcome:together_client_requests:increase1h"
REFUSED_INSTANCES: Final = "job_instance:together_client_refused:timestamp_seconds"
FIRST_ACCEPTED: Final = "job_fingerprint:together_client_key_first_accepted:timestamp_seconds"
INSTANCES: Final = "job:together_client_instances:count"
ERRORS: Final = "job:together_client_requests_failed:rate5m"
COUNTED: Final = "job:together_client_requests_counted:rate5m"
BUCKETS: Final = "job_operation_model_le:gen_ai_client_operation_duration_seconds_bucket:rate5m"
