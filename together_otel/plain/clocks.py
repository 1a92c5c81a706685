"""The clocks of ``time`` as they are at import.

Tests of an application replace those in ``time``, perhaps by some that raise, run out, or count
how often they are read.
"""

from time import monotonic, perf_counter, time, time_ns

__all__ = ["monotonic", "perf_counter", "time", "time_ns"]
