"""A fire drill: the real instrumentation meets a refused key on loopback, and tells it as usual.

`acts` is what goes wrong, `surroundings` the user's environment made safe for it, `program` the
application that it happens to, `play` the course of it, `alerts` what should arrive.
"""

MARK = "@together-otel-drill "
"""What an answer of the application begins with, in the output that it shares with exporters."""
