# python tools/lowest.py
"""Prints the lowest releases that pyproject.toml declares, as constraints for pip."""

from importlib.metadata import requires

from packaging.requirements import Requirement

for line in requires("together-otel") or ():
    wanted = Requirement(line)
    if wanted.marker is None or wanted.marker.evaluate({"extra": "cli"}):
        print(
            *(f"{wanted.name}=={one.version}" for one in wanted.specifier if one.operator == ">=")
        )
