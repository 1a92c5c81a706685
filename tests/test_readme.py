"""The README says what is so."""

import re
import sys
from pathlib import Path

from together_otel import names
from together_otel.clients import payloads

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import readme  # noqa: E402 - found by the path above


def test_generated_parts_are_up_to_date():
    """Run `python tools/readme.py` when this fails."""
    for page, text in readme.rendered().items():
        assert page.read_text(encoding="utf-8") == text, page


def test_links_lead_somewhere():
    """Every relative link of the project's pages is a file, or a heading of the page."""
    for page in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"):
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


def test_every_attribute_of_spans_is_listed():
    """The table has each attribute that `names` holds, siblings written without their prefix."""
    text = (ROOT / "docs" / "reference" / "telemetry.md").read_text(encoding="utf-8")
    listed = set()
    prefix = ""
    for name in re.findall(
        r"`([a-z_.]+)`", text.partition("| Group | Attributes |")[2].partition("\n\n")[0]
    ):
        full = prefix + name if name.startswith(".") else name
        prefix = prefix if name.startswith(".") else name.rpartition(".")[0]
        listed.add(full)

    of_spans = {
        value
        for constant, value in vars(names).items()
        if constant.isupper()
        and isinstance(value, str)
        and re.match(r"(gen_ai|server|http|error|together)\.", value)
    }
    of_logs_and_metrics = {
        names.AUTH_FAILED_FOR,
        names.AUTH_REMEDY,
        names.AUTH_RUNBOOK,
        names.AUTH_SUPPRESSED,
        names.CALL_SPAN,
        names.CLIENT_INIT_SPAN,
        names.DRILL_CAUSE,
        names.DRILL_DURATION,
        names.KEY_RECOVERED_EVENT,
        names.RECOVERY_ASKED,
        names.RECOVERY_OUTCOME,
        names.RECOVERY_SOURCE,
        names.RATELIMIT,
        names.TELEMETRY_STAGE,
        names.FINISH_REASON,
        names.TOKEN_MODALITY,
        names.TOKEN_TYPE,
    }
    fields = (*payloads._DOUBLES, *payloads._INTEGERS)
    numbers = {f"gen_ai.request.{field}" for field in fields}
    ratelimits = {names.RATELIMIT + name for name in names.RATELIMITS}
    assert listed == (of_spans - of_logs_and_metrics) | numbers | ratelimits
