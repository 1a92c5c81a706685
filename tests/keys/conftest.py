"""What the tests of keys share: none of them goes by what another has made the package remember."""

import pytest

from together_otel.keys import known, redaction, tracebacks


@pytest.fixture(autouse=True)
def nothing_remembered():
    """Forget texts, keys and frames."""
    for memory in (known._known, redaction._redacted, tracebacks._frames):
        memory.clear()
