"""Each example of a client runs by the command that its first line names."""

from importlib.util import find_spec

import pytest
from example_runs import run_example


@pytest.mark.parametrize(
    ("example", "needs", "says", "tells"),
    [
        (
            "openai_client",
            "openai",
            "openai says: AuthenticationError",
            "OPENAI_API_KEY is a key of OpenAI, and goes to Together because TOGETHER_API_KEY is unset",
        ),
        ("litellm_client", "litellm", "The model says: ", "client.library=litellm"),
        (
            "langchain_client",
            "langchain_together",
            "LangChain says: OpenAIError",
            "both are unset, but TOGETHER_AI_TOKEN holds a key of Together's shape",
        ),
    ],
)
def test_example(example, needs, says, tells):
    """It ends well, says what the client said, and together_otel tells the rest."""
    if find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    done = run_example(example)
    assert says in done.stdout
    assert tells in done.stderr
    assert done.stderr.count("together.client.auth_failed") == 1
