"""``python -m together_otel.cli``, as scripts written for 0.1.0 start the command."""

import together_otel.__main__  # noqa: F401 - runs the command
