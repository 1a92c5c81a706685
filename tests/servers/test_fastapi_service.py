"""The example of a FastAPI service under gunicorn: its secret is rotated, and no request fails."""

import os
import sys
from pathlib import Path

import pytest
from processes import run_to_end
from running import BIN, Running, get, samples, total

from together_otel import inspect_key
from together_otel.testing import TogetherServer
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.ports import free_port

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "fastapi_service"
sys.path.insert(0, str(ROOT / "examples" / "rotation"))

from rotate import Volume  # noqa: E402 - found by the path above


def command(secret):
    """Return the command of the script's first line, with another secret."""
    first = (EXAMPLE / "serve.sh").read_text(encoding="utf-8").splitlines()[0]
    *words, _ = first.removeprefix("# ").split()
    return [*words, str(secret)]


class Service:
    """The example, serving with the secret that is mounted for it."""

    def __init__(self, together, volume, folder):
        self.port, self.scrape_port = free_port(), free_port()
        shell, script, secret = command(volume.path)
        self.running = Running(
            ["/bin/" + shell, str(ROOT / script), secret],
            {
                "TOGETHER_BASE_URL": together.url,
                "BIND": f"127.0.0.1:{self.port}",
                "TOGETHER_OTEL_PROMETHEUS_PORT": str(self.scrape_port),
            },
            folder,
        )

    def scrape(self):
        """Return the metrics of all workers."""
        return get(self.scrape_port, "/metrics")

    def ask(self):
        """Return the service's answer, ``None`` where it failed."""
        return get(self.port, "/ask?question=Hello")

    def accepted(self):
        """Return the fingerprints of keys that were accepted."""
        found = samples(self.scrape()).get(
            "together_client_key_last_accepted_timestamp_seconds", ()
        )
        return {labels["together_api_key_fingerprint"] for labels, _ in found}


@pytest.fixture
def keys():
    """Two keys, the old one and the new one."""
    made = MadeUpKeys()
    return made.together(), made.together()


@pytest.fixture
def together(keys):
    """Together, accepting both."""
    with TogetherServer(keys=keys) as running:
        yield running


def test_a_rotation_without_a_failed_request(keys, together, tmp_path):
    """Old key, both, new key: every request is answered, by whichever worker, and counted once."""
    old, new = keys
    volume = Volume(tmp_path / "secret", old)
    service = Service(together, volume, tmp_path)
    try:
        service.running.until(lambda: get(service.port, "/healthz"))
        asked = 20
        assert all(service.ask() for _ in range(asked))
        assert service.accepted() == {inspect_key(old).fingerprint}

        volume.put(new)

        def changed_over():
            nonlocal asked
            asked += 1
            assert service.ask()
            return inspect_key(new).fingerprint in service.accepted()

        service.running.until(changed_over)
        together.revoke(old)
        assert all(service.ask() for _ in range(20))
        asked += 20
        scrape, output = service.scrape(), service.running.output()
    finally:
        stopped = service.running.stop()
    assert stopped == 0
    requests = "together_client_requests_total"
    assert total(scrape, requests, together_request_outcome="success") == asked
    assert "together.client.key_rotated" in output
    for key in keys:
        assert key[7:15] not in output + (scrape or "")
    recovered = total(
        scrape, "together_client_key_recoveries_total", together_recovery_outcome="recovered"
    )
    # A worker that was not asked between the change and the revocation is refused once, and recovers.
    assert total(scrape, requests, together_request_outcome="auth_failure") == recovered
    assert recovered <= 2


@pytest.mark.parametrize("relative", [False, True])
def test_a_key_that_cannot_work_never_serves(relative, tmp_path):
    """The start ends with cause and remedy, from wherever it is made."""
    secret = tmp_path / "api-key"
    secret.write_text("sk-" + "proj-" + "a1B2" * 12)
    shell, script, _ = command(secret)
    done = run_to_end(
        [shell, str(ROOT / script), secret.name if relative else str(secret)],
        cwd=tmp_path,
        env={"PATH": f"{BIN}:{os.environ['PATH']}"},
    )
    assert done.returncode == 1
    assert "wrong_provider" in done.stdout
    assert "a1B2" not in done.stdout + done.stderr
