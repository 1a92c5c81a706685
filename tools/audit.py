"""Report known vulnerabilities of an environment's packages, and packages that were not audited.

    python tools/audit.py DIRECTORY

DIRECTORY is the environment's ``site-packages``. pip-audit skips packages that its service does
not know and still exits with 0; this prints them. Exits with 1 if there is a vulnerability, and
with 2 if no package could be looked up.
"""

import json
import subprocess
import sys

OURS = "together-otel"  # not published, or newer than the published release


def main() -> int:
    """Audit, print the findings and return the exit code."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    asked = subprocess.run(  # noqa: S603 - a fixed program and the caller's folder
        [*command, "--path", *sys.argv[1:]], capture_output=True, text=True, check=False
    )
    if not asked.stdout:
        sys.stderr.write(asked.stderr)
        return 2
    packages = [one for one in json.loads(asked.stdout)["dependencies"] if one["name"] != OURS]
    skipped = [one for one in packages if "skip_reason" in one]
    found = [(one, flaw) for one in packages for flaw in one.get("vulns", ())]
    for one, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no release"
        sys.stdout.write(f"{one['name']} {one['version']}: {flaw['id']}, fixed in {fixed}\n")
    if skipped:
        sys.stdout.write(f"Not looked up: {', '.join(one['name'] for one in skipped)}.\n")
    sys.stdout.write(
        f"{len(packages) - len(skipped)} of {len(packages)} packages looked up,"
        f" {len(found)} vulnerabilities.\n"
    )
    if found:
        return 1
    return 2 if packages and len(skipped) == len(packages) else 0


if __name__ == "__main__":
    sys.exit(main())
