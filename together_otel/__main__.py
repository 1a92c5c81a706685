"""Entry point of ``python -m together_otel``, for environments without the script on the path."""

import sys

from together_otel.cli import main

sys.exit(main())
