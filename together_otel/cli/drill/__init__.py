"""``together-otel drill``: the real instrumentation reports a key that is refused on loopback.

`scenarios` has the failures, `environment` makes the user's environment safe, `program` is the
application, `processes` runs it as a process, and `runner` runs the drill.
"""

MARK = "@together-otel-drill "
"""Prefix of the application's replies, as console exporters may write to the same output."""
