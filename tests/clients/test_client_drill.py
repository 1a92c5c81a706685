"""`together-otel drill --client openai`: the causes that depend on the client."""

import pytest
from drill_runs import drilled


@pytest.mark.parametrize(
    "cause", ["revoked", "missing", "empty", "wrong_variable", "wrong_provider", "overridden"]
)
def test_drill(cause, tmp_path):
    """It is all that is counted, as often as the drill says, and what follows is accepted."""
    done = drilled("--client", "openai", cause=cause, TOGETHER_OTEL_TEXTFILE=str(tmp_path))
    assert "All failures were counted, each with its cause." in done.stdout
    assert f"cause={cause}" in done.stderr
    assert "client.library=openai" in done.stderr
