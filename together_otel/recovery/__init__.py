"""Another key after a refusal, and the call made once more, so that nothing crashes.

Off unless it is asked for::

    from together_otel import TogetherInstrumentor, recovery

    TogetherInstrumentor().instrument(recovery=recovery.file("/run/secrets/together"))

or, for what one block of code calls, ``with recovery.use(recovery.prompt()):``. Several sources
are a chain: each is asked when those before it had no new key. Any function that returns a key,
or ``None``, is a source as well, sync or async.
"""

from together_otel.recovery.scope import use
from together_otel.recovery.sources import Source, command, environment, file, function, prompt

__all__ = ["Source", "command", "environment", "file", "function", "prompt", "use"]
