"""A fire drill: the real instrumentation meets a refused key on loopback, and reports it as usual.

`scenarios` is what goes wrong, `environment` the user's environment made safe for it, `program` the
application that it happens to, `processes` that application as a process, `runner` the course.
"""

MARK = "@together-otel-drill "
"""What an answer of the application begins with, in the output that it shares with exporters."""
