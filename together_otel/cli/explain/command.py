"""``together-otel explain``: prints the runbook's entry for a cause or an alert."""

import argparse
import re
from collections.abc import Mapping

from together_otel.cli.export.source import shipped
from together_otel.cli.output import write
from together_otel.cli.parsing import GOOD, Parser, write_json
from together_otel.plain.spelling import did_you_mean

HELP = "print what a cause or an alert means and what to do about it"
DESCRIPTION = (
    "Prints the runbook's entry for a cause of authentication failures or for an alert. Without a"
    " name, lists all names."
)
EPILOG = """\
exit codes: 0 the entry was printed; 64 the arguments are invalid, or no entry
has this name

example: together-otel explain revoked"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="such as revoked")


def entries() -> Mapping[str, str]:
    """Return the runbook's entries by name of the cause or alert, in its order."""
    text = (shipped() / "runbook.md").read_text(encoding="utf-8")
    parts = re.split(r"^#{2,3} (?:Cause: )?(.+)\n", text, flags=re.MULTILINE)[1:]
    return {
        name: body.strip()
        for name, body in zip(parts[::2], parts[1::2], strict=True)
        if body.strip().startswith("**Meaning.**")
    }


def run(parser: Parser, options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    found = entries()
    if options.name is None:
        if options.json:
            write_json(list(found))
        else:
            write("".join(f"{name}\n" for name in found))
        return GOOD
    known = {name.lower(): name for name in found}
    name = known.get(options.name.lower().replace("-", "_"))
    if name is None:
        hint = did_you_mean(options.name, found)
        parser.refuse(f"no entry for {options.name!r}: choose from {', '.join(found)}", hint)
    if options.json:
        write_json({"name": name, "text": found[name]})
    else:
        write(f"# {name}\n\n{found[name]}\n")
    return GOOD
