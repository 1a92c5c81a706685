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
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
IMAGES = ROOT / "docs" / "images"
sys.path[:0] = [str(HERE), str(ROOT)]

import night  # noqa: E402 - found by the path above

from together_otel.testing.programs import CHECKOUT, Program, find_binaries  # noqa: E402 - as above

BOARDS = ("authentication", "requests", "fleet")
MOMENTS = {"healthy": night.HEALTHY, "incident": night.INCIDENT}


def main() -> None:
    """Make the night, serve it, draw."""
    prometheus = find_binaries().prometheus
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="together-otel-preview-") as temporary:
        folder = Path(temporary)
        story = folder / "night.txt"
        with story.open("w", encoding="utf-8") as file:
            night.write(file)
        subprocess.run(  # noqa: S603 - a program that we looked for
            [
                prometheus.with_name("promtool"),
                *("tsdb", "create-blocks-from", "openmetrics", story, folder / "data"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        program = Program(prometheus, folder, {}, ("--storage.tsdb.path=data",))
        try:
            program.start()
            draw(f"http://{program.address}")
        finally:
            program.close()


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
