"""The README says what is so."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import readme  # noqa: E402 - found by the path above


def test_generated_parts_are_up_to_date() -> None:
    """Run `python tools/readme.py` when this fails."""
    text = readme.README.read_text(encoding="utf-8")
    assert readme.rendered(text) == text


def test_links_lead_somewhere() -> None:
    """Every relative link of the project's pages is a file, or a heading of the page."""
    for page in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"):
        text = page.read_text(encoding="utf-8")
        headings = {
            re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        }
        for target in re.findall(r"\]\(([^)]+)\)", text):
            if target.startswith("http"):
                continue
            path, _, anchor = target.partition("#")
            if path:
                assert (ROOT / path).exists(), f"{page.name}: {target}"
            else:
                assert anchor in headings, f"{page.name}: {target}"
