# python tools/mutants.py [NAME…]
"""Runs mutmut, and compares the mutants that no test notices with those that are listed.

Ends with 1 when one of them is not in tests/mutants.txt, or when one that is listed there is
noticed now; with names of mutants, as mutmut takes them, only of these the former.
"""

import json
import subprocess
import sys
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant

LISTED = Path("tests/mutants.txt")
UNNOTICED = {0, 5, 33}
"""What mutmut notes of a mutant with which the tests pass, or that has none."""


def told(name: str) -> str:
    """Return a mutant by what it changes: its number changes with the function."""
    lines = get_diff_for_mutant(name).splitlines()[2:]
    was, becomes = (" ⏎ ".join(one[1:].strip() for one in lines if one[0] == sign) for sign in "-+")
    function = (
        name.rpartition("__mutmut_")[0].replace("xǁ", "").replace("ǁ", ".").replace(".x_", ".")
    )
    return f"{function}: {was} → {becomes}"


def main(names: list[str]) -> int:
    """Run and compare."""
    subprocess.run([sys.executable, "-m", "mutmut", "run", *names], check=False)  # noqa: S603 - itself
    noted: dict[str, int] = {}
    for meta in Path("mutants").rglob("*.meta"):
        noted |= json.loads(meta.read_text())["exit_code_by_key"]
    found = {told(name) for name, code in noted.items() if code in UNNOTICED}
    listed = {line for line in LISTED.read_text().splitlines() if line and not line.startswith("#")}
    new, old = sorted(found - listed), [] if names else sorted(listed - found)
    print(
        *(f"not noticed: {one}" for one in new), *(f"noticed now: {one}" for one in old), sep="\n"
    )
    print(f"{len(noted):,} mutants, {len(found)} not noticed, {len(new)} of them not listed")
    return 1 if new or old or not noted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
