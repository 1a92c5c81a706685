"""Draws every dashboard, healthy and in an incident: ``python dashboards/preview/preview.py``.

By Grafana's own panel components, in Chromium, from a real Prometheus that holds a made-up
night. The pictures are those of ``docs/images``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.rules.document import Rule

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
IMAGES = ROOT / "docs" / "images"
sys.path[:0] = [str(HERE), str(ROOT), str(HERE.parent)]

import night  # noqa: E402 - found by the path above
import rules  # noqa: E402 - the same

from together_otel.testing.programs import CHECKOUT, Program, find_binaries  # noqa: E402 - as above

BOARDS = ("authentication", "requests", "fleet")
MOMENTS = {"healthy": night.HEALTHY, "incident": night.INCIDENT}


def main() -> None:
    """Make the night, let the rules record it, draw."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="together-otel-preview-") as temporary:
        folder = Path(temporary)
        story = folder / "night.txt"
        with story.open("w", encoding="utf-8") as file:
            night.write(file)
        store(story, folder)
        for level in rules.levels():
            with serving(folder) as address, story.open("w", encoding="utf-8") as file:
                for rule in level:
                    file.writelines(recorded(address, rule))
                file.write("# EOF\n")
            store(story, folder)
        with serving(folder) as address:
            draw(address)


def store(story: Path, folder: Path) -> None:
    """Put samples into the blocks of a Prometheus."""
    promtool = find_binaries().prometheus.with_name("promtool")
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", story, folder / "data"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - a program that we looked for


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the blocks; give the address."""
    flags = ("--storage.tsdb.path=data",)
    with Program(find_binaries().prometheus, folder, {}, flags) as program:
        yield f"http://{program.address}"


def recorded(address: str, rule: Rule) -> Iterator[str]:
    """Yield the samples that a rule records of the night."""
    asked = {"query": rule.expr, "start": night.START, "end": night.END, "step": night.INTERVAL}
    url = f"{address}/api/v1/query_range?{urlencode(asked)}"
    with urlopen(url) as answer:  # noqa: S310 - a Prometheus of our own
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    for one in found:
        labels = {**one["metric"], **rule.labels}
        labels.pop("__name__", None)
        shown = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
        samples = one["values"]
        if rule.name.endswith(":since") and rule.name in rule.expr:
            # It remembers its first value for as long as it is there.
            for before, sample in pairwise(samples):
                if sample[0] - before[0] == night.INTERVAL:
                    sample[1] = before[1]
        for at, value in samples:
            yield f"{rule.name}{{{shown}}} {value} {at}\n"


def draw(prometheus: str) -> None:
    """Draw what a Prometheus knows into `IMAGES`."""
    pictures = [
        {"board": board, "name": f"{board}-{moment}", "to": to}
        for board in BOARDS
        for moment, to in MOMENTS.items()
    ]
    subprocess.run(  # noqa: S603 - our own program
        ["node", HERE / "render.mjs", prometheus, IMAGES, json.dumps(pictures)],  # noqa: S607 - whichever Node.js is used here
        cwd=HERE,
        check=True,
    )
    if smaller := shutil.which("pngquant"):
        files = [IMAGES / f"{picture['name']}.png" for picture in pictures]
        subprocess.run([smaller, "--force", "--strip", "--ext=.png", *files], check=True)  # noqa: S603 - the same


if __name__ == "__main__":
    if not (HERE / "node_modules").is_dir():
        sys.exit(f"npm install has to be run in {HERE.relative_to(CHECKOUT)} first")
    main()
