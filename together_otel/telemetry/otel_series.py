"""Records in one series of a histogram, without the checks that OpenTelemetry's SDK repeats.

The SDK copies, checks and hashes a measurement's attributes each time, in some 50 functions of
Python: most of what a record costs. There is no public API to do so once, so this module does what
the SDK's instrument, consumer and storage do, and finds the series by the key that the SDK made.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from together_otel.guard import pass_on_signals
from together_otel.plain import clocks

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram

    from together_otel.telemetry.recorder import Observe


def observer(histogram: Histogram, attributes: dict[str, Any]) -> Observe:
    """Return a function that records a value, with the context of its exemplar, in a series.

    Args:
        histogram: an instrument of any implementation of the metrics API.
        attributes: the attributes of the series, free of keys.
    """
    try:
        return _Series(histogram, attributes).observe
    except Exception:  # noqa: BLE001 - not the SDK, or a release that is built differently
        pass_on_signals()
        return lambda value, context: histogram.record(value, attributes, context)


class _Series:
    __slots__ = ("_attributes", "_consumer", "_histogram", "_is_enabled", "_keys", "_kind")

    def __init__(self, histogram: Any, attributes: dict[str, Any]) -> None:
        # Not at the top: if the SDK's metrics are not in use, their import is not needed.
        from opentelemetry.sdk.metrics import Histogram  # noqa: PLC0415
        from opentelemetry.sdk.metrics._internal.measurement import Measurement  # noqa: PLC0415

        if histogram.record.__func__ is not Histogram.record:
            raise TypeError("another package has replaced the method")
        self._histogram, self._attributes, self._kind = histogram, attributes, Measurement
        self._is_enabled = getattr(histogram, "_is_enabled", None)
        self._consumer = histogram._measurement_consumer  # noqa: SLF001
        self._keys: dict[Any, Any] = {}
        made: Any = Measurement(0.0, 0, histogram, None, attributes)  # type: ignore[arg-type]
        if vars(made) != vars(self._measurement(0.0, 0, None)):
            raise TypeError("the fields of measurements are others")
        for storage in self._consumer._reader_storages.values():  # noqa: SLF001
            for match in storage._get_or_init_view_instrument_match(histogram):  # noqa: SLF001
                self._key(match)

    def observe(self, value: float, context: Context) -> None:
        """Record a value."""
        histogram, attributes, is_enabled = self._histogram, self._attributes, self._is_enabled
        if not 0 <= value < inf or (is_enabled is not None and not is_enabled()):
            histogram.record(value, attributes, context)
            return
        consumer, keys, now = self._consumer, self._keys, clocks.time_ns()
        is_sampled = consumer._sdk_config.exemplar_filter.should_sample(  # noqa: SLF001
            value, now, attributes, context
        )
        made = self._measurement(value, now, context)
        for storage in consumer._reader_storages.values():  # noqa: SLF001
            for match in storage._get_or_init_view_instrument_match(histogram):  # noqa: SLF001
                key = keys.get(match)
                if key is not None:
                    # With the lock, as a collection of differences drops the series.
                    with match._lock:  # noqa: SLF001
                        series = match._attributes_aggregation.get(key)  # noqa: SLF001
                        if series is not None:
                            series.aggregate(made, is_sampled)
                            continue
                match.consume_measurement(made, is_sampled)
                if key is None:
                    keys[match] = self._key(match)

    def _measurement(self, value: float, now: int, context: Context | None) -> Any:
        made: Any = object.__new__(self._kind)
        made.__dict__.update(
            value=value,
            time_unix_nano=now,
            instrument=self._histogram,
            context=context,
            attributes=self._attributes,
        )
        return made

    def _key(self, match: Any) -> Any:
        """Return the key of the series that was just recorded; one that is never there for none."""
        names, kept = match._view._attribute_keys, self._attributes  # noqa: SLF001
        if names is not None:
            kept = {name: value for name, value in kept.items() if name in names}
        with match._lock:  # noqa: SLF001
            found = reversed(match._attributes_aggregation.items())  # noqa: SLF001
            return next((key for key, one in found if one._attributes == kept), ())  # noqa: SLF001
