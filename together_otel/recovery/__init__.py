"""Recovery of calls: after an API key is refused, get another key and retry the call with it.

Recovery is off by default. Turn it on for the process::

    from together_otel import TogetherInstrumentor, recovery

    TogetherInstrumentor().instrument(recovery=recovery.file("/run/secrets/together"))

or for one block of code with ``with recovery.use(recovery.prompt()):``. Several sources form a
chain: each is asked if those before it have no new key. Any sync or async function that returns
a key or ``None`` is also a source.
"""

from together_otel.recovery.scope import use
from together_otel.recovery.sources import Source, command, environment, file, function, prompt

__all__ = ["Source", "command", "environment", "file", "function", "prompt", "use"]
