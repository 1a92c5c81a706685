"""``python -m together_otel``, where the script is not on the path."""

import sys

from together_otel.cli import main

sys.exit(main())
