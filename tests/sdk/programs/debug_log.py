"""A call with TOGETHER_LOG=debug and a key among its headers; LogRecords go to stdout.

Environment: TOGETHER_API_KEY, TOGETHER_BASE_URL, and OpenTelemetry's.
"""

import os

import together

together.Together(max_retries=0).chat.completions.create(
    model="a/model",
    messages=[{"role": "user", "content": "Hello"}],
    extra_headers={"Authorization": f"Bearer {os.environ['TOGETHER_API_KEY']}"},
)
