"""Applications that use Together without its SDK, each run in a Python with its client."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from together_otel import settings
from together_otel.cli.demo.evidence import different
from together_otel.cli.drill.processes import PATIENCE, isolated
from together_otel.names import Cause
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.server import TogetherServer

_PROGRAM: Final = "together_otel.cli.demo.application"


@dataclass(frozen=True)
class Application:
    """An application, the cause of its failure, and the number of its accepted requests."""

    client: str
    title: str
    cause: Cause
    accepted: int


APPLICATIONS: Final = (
    Application(
        "openai",
        "openai at Together; TOGETHER_API_KEY is unset, OPENAI_API_KEY is not",
        "wrong_provider",
        accepted=0,
    ),
    Application(
        "litellm",
        "LiteLLM; the first of two keys is dead, and LiteLLM hides it",
        "rejected",
        accepted=1,
    ),
)


@dataclass(frozen=True)
class Run:
    """Result of an application: the JSON that it printed, and its stderr."""

    application: Application
    found: dict[str, Any]
    errors: str

    def faults(self) -> list[str]:
        """Return descriptions of what is wrong."""
        wanted, found = self.application, self.found
        faults = different(
            wanted.client,
            ("causes in the log", [wanted.cause], found.get("causes")),
            ("failures", 1, found.get("failures")),
            ("accepted requests", wanted.accepted, found.get("accepted")),
            ("client libraries", [wanted.client], found.get("libraries")),
        )
        return faults if found else [*faults, f"{wanted.client}: {self.errors[-500:]}"]


def run_application(application: Application, python: str, keys: MadeUpKeys) -> Run:
    """Run an application with its own server, by a Python that has its client and this package."""
    good = keys.together()
    bad = keys.other_provider() if application.cause == "wrong_provider" else keys.together()
    with TogetherServer(keys=[good]) as server:
        done = subprocess.run(  # noqa: S603 - the user's own interpreter
            [python, "-W", "ignore", "-m", _PROGRAM, application.client],
            env={
                **isolated("together-demo", {}),
                settings.HOSTS: "127.0.0.1",
                "BASE_URL": server.base_url,
                "SECOND_KEY": good,
                "FIRST_KEY": bad,
                # Otherwise LiteLLM downloads prices.
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "NO_PROXY": "*",
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
            check=False,
        )
    last = done.stdout.strip().rpartition("\n")[2]
    found = json.loads(last) if done.returncode == 0 else {}
    return Run(application, found, done.stderr)
