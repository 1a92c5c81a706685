"""The instrumentation turned on and off any number of times leaves nothing behind."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest
from application import Telemetry, observe, off, plain, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def only_new_objects() -> Iterator[None]:
    """Spare the collector what was there before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("calls", [0, 1])
@pytest.mark.parametrize("part", ["tracers", "loggers"])
def test_providers_can_be_collected(part: str, calls: int) -> None:
    """Each, once the instrumentation is off, whether it was used or not."""
    kept = []
    for _ in range(3):
        telemetry = Telemetry()
        telemetry.instrument()
        for scenario in (plain, refusal) * calls:
            observe(scenario)
        off()
        getattr(telemetry, part).shutdown()
        kept.append(weakref.ref(getattr(telemetry, part)))
        del telemetry
    gc.collect()
    assert [one() for one in kept] == [None] * 3
