"""Writes what users import: ``python dashboards/build.py``. A test compares."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import alertmanager_config  # noqa: E402 - found by the path above
import rules  # noqa: E402 - the same

from together_otel.rules.logs import render_logs  # noqa: E402 - after what the path above finds


def outputs() -> dict[Path, str]:
    """Return the text of every generated file by its path.

    Dashboards are left out where Grafana's builder is not installed (it needs Python 3.11).
    """
    found = {HERE / "prometheus" / name: text for name, text in rules.outputs().items()}
    found[HERE / "loki" / "rules.yaml"] = render_logs(rules.OPTIONS)
    found[HERE / "kubernetes" / "alertmanagerconfig.yaml"] = alertmanager_config.render(
        HERE / "alertmanager"
    )
    try:
        from boards import authentication, fleet, frame, requests  # noqa: PLC0415 - as above
    except ModuleNotFoundError as exc:
        if exc.name != "grafana_foundation_sdk":
            raise
        return found
    boards = {"authentication": authentication, "fleet": fleet, "requests": requests}
    for name, board in boards.items():
        found[HERE / "grafana" / f"{name}.json"] = frame.render(board.build())
    return found


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(HERE)}\n")
