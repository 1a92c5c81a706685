"""``python -m together_otel.cli``, which scripts written for 0.1.0 use."""

import together_otel.__main__  # noqa: F401 - runs the command
