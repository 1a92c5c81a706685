"""Exits with 1 unless the expression on standard input is one of the rules'."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    rules = Path(os.environ["PROJECT"], "dashboards", "prometheus", "alerts.yaml").read_text()
    sys.exit(" ".join(sys.stdin.read().split()) not in " ".join(rules.split()))
