"""Each example runs by the command that its first line names."""

import pytest
from example_runs import run_example


@pytest.mark.parametrize(
    ("example", "says", "tells"),
    [
        ("broken_key", "The SDK says: ", "together.client.auth_failed cause=empty"),
        ("fixed_key", "The model says: ", ""),
        ("manual_setup", 'together_auth_cause="revoked"} 1.0', "cause=revoked"),
    ],
)
def test_example(example, says, tells):
    """It ends well, says what the SDK said, and together_otel tells the rest."""
    done = run_example(example)
    assert says in done.stdout
    assert tells in done.stderr
    if not tells:
        assert "ERROR" not in done.stderr
        assert "auth_failed" not in done.stderr
