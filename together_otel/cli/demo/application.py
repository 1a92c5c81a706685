"""Application that uses Together without its SDK and prints its error and its telemetry as JSON.

``python -m together_otel.cli.demo.application CLIENT``. Environment: BASE_URL is the server's,
whose host is in TOGETHER_OTEL_HOSTS; FIRST_KEY is refused, SECOND_KEY is accepted.
"""

import json
import os
import sys
from typing import Any

from together_otel import names
from together_otel.instrumentor import TogetherInstrumentor
from together_otel.testing.telemetry import CapturedTelemetry

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
MESSAGES = [{"role": "user", "content": "Hello"}]


def openai() -> str:
    """Create a client as in Together's documentation, without the key's variable; return its error."""
    import openai  # noqa: PLC0415 - one of several clients

    os.environ["OPENAI_API_KEY"] = os.environ["FIRST_KEY"]
    client = openai.OpenAI(
        api_key=os.environ.get(names.KEY_VARIABLE), base_url=os.environ["BASE_URL"], max_retries=0
    )
    try:
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    except openai.OpenAIError as exc:
        return f"{type(exc).__name__}: {exc}"
    return ""


def litellm() -> str:
    """Create a completion by a fallback, so that the application does not notice the refusal."""
    import litellm  # noqa: PLC0415 - one of several clients

    litellm.suppress_debug_info = True
    to = {"model": f"together_ai/{MODEL}", "api_base": os.environ["BASE_URL"]}
    answer = litellm.completion(
        **to,
        messages=MESSAGES,
        api_key=os.environ["FIRST_KEY"],
        fallbacks=[{**to, "api_key": os.environ["SECOND_KEY"]}],
    )
    return f"no error, because a fallback answers: {answer.choices[0].message.content}"


CLIENTS = {"openai": openai, "litellm": litellm}


def main() -> None:
    """Run the application of the client that the argument names."""
    with CapturedTelemetry() as telemetry:
        TogetherInstrumentor().instrument(
            tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
        )
        said = CLIENTS[sys.argv[1]]()
        failures = [
            log["attributes"]
            for log in telemetry.logs()
            if log["event_name"] == names.AUTH_FAILED.name
        ]
        found: dict[str, Any] = {
            "said": said,
            "causes": [one[names.AUTH_CAUSE] for one in failures],
            "libraries": [one[names.CLIENT_LIBRARY] for one in failures],
            "remedy": failures[0][names.AUTH_REMEDY] if failures else "",
            "failures": telemetry.counter(names.AUTH_FAILURES.name),
            "accepted": telemetry.counter(names.REQUESTS.name, {names.REQUEST_OUTCOME: "success"}),
            "emitted": telemetry.everything(),
        }
    sys.stdout.write(f"\n{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
