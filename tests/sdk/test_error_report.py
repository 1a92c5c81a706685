"""The error report that this project starts from, as acceptance."""

import asyncio
import os
import sys
import sysconfig
from pathlib import Path

import pytest
from dirty_equals import IsInt, IsStr
from generation import GENERATION, MESSAGES, MODEL, Sdk, leaks
from processes import run_to_end

ROOT = Path(__file__).parents[2]
BAD_KEY = "Invalid API key provided. Please check your API key and try again."


def test_broken_example(telemetry, in_house):
    """`TogetherAI(api_key='')`, `client.chat('Hello')`: diagnosed, counted, remedied."""
    client = in_house.TogetherAI(api_key="")
    with pytest.raises(in_house.errors.AuthenticationError, match=BAD_KEY):
        client.chat("Hello")

    assert telemetry.counter("together.client.auth.failures", {"together.auth.cause": "empty"}) == 1
    assert telemetry.counter("together.client.auth.failures") == 1
    checked, failed, exception = telemetry.logs()
    assert checked["event_name"] == "together.client.key_checked"
    assert checked["severity"] == "ERROR"
    assert failed["event_name"] == "together.client.auth_failed"
    assert failed["attributes"] == {
        "together.auth.cause": "empty",
        "together.auth.remedy": "The api_key argument is empty: pass a key from"
        " https://api.together.ai/settings/api-keys.",
        "together.api_key.presence": "empty",
        "together.api_key.source": "argument",
        "together.api_key.format": "none",
        "together.api_key.length": 0,
        "http.response.status_code": 401,
        "server.address": "127.0.0.1",
        "server.port": IsInt,
        "gen_ai.operation.name": "chat",
        "together.client.library": "together_ai",
        "error.type": "together_ai.errors.AuthenticationError",
        "together.auth.runbook": IsStr(regex=r".*runbook\.md#cause-empty"),
    }
    assert exception["event_name"] == "gen_ai.client.inference.exception"
    assert exception["attributes"]["exception.message"] == BAD_KEY
    init, call = telemetry.spans()
    assert (init["name"], init["kind"]) == ("together.client.init", "INTERNAL")
    assert (call["name"], call["kind"], call["status"]) == ("chat", "CLIENT", "ERROR")
    assert call["description"] == BAD_KEY
    assert call["attributes"]["together.auth.cause"] == "empty"


def test_fixed_example(telemetry, in_house, key, monkeypatch):
    """With the key from the environment there is an answer, and nothing to complain of."""
    monkeypatch.setenv("TOGETHER_API_KEY", key)
    client = in_house.TogetherAI(api_key=os.environ["TOGETHER_API_KEY"])
    assert client.chat("Hello")

    assert telemetry.counter("together.client.auth.failures") == 0
    assert [log["severity"] for log in telemetry.logs()] == ["INFO"]
    assert [span["status"] for span in telemetry.spans()] == ["UNSET", "UNSET"]
    assert leaks(telemetry.everything(), key) == []


def test_missing_key_and_async(telemetry, in_house, key):
    """The in-house constructor's refusal is seen, and its async client like the sync one."""
    with pytest.raises(in_house.errors.AuthenticationError):
        in_house.TogetherAI()
    assert (
        telemetry.counter("together.client.auth.failures", {"together.auth.cause": "missing"}) == 1
    )

    assert asyncio.run(in_house.AsyncTogetherAI(api_key=key).chat("Hello"))
    assert (
        telemetry.counter("together.client.requests", {"together.request.outcome": "success"}) == 1
    )


def test_a_wrapper_over_the_sdk_is_counted_once(telemetry, server, key, in_house):
    """An in-house client made of the SDK: the SDK's own failure is the one that counts."""
    sdk = Sdk(server, is_async=False)
    inner = sdk.client(api_key=key)
    server.revoke(key)

    class Wrapper(in_house.TogetherAI):  # type: ignore[misc]  # made at run time
        def _ask(self, prompt):
            try:
                answer = inner.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": prompt}]
                )
            except Exception as exc:
                raise in_house.errors.AuthenticationError(BAD_KEY, 401) from exc
            return str(answer)

    with pytest.raises(in_house.errors.AuthenticationError):
        Wrapper(api_key=key).chat("Hello")
    sdk.close()

    assert telemetry.counter("together.client.auth.failures") == 1
    assert telemetry.counter("together.client.requests") == 1


def test_the_same_two_on_the_real_sdk(sdk, telemetry, key, monkeypatch):
    """The broken example and the fixed one, with `together` itself."""
    with pytest.raises(Exception):  # noqa: B017, PT011 - the class differs by generation
        sdk.chat(sdk.client(api_key=""))
    assert telemetry.counter("together.client.auth.failures", {"together.auth.cause": "empty"}) == 1

    monkeypatch.setenv("TOGETHER_API_KEY", key)
    assert sdk.chat(sdk.client(), messages=MESSAGES).choices
    assert telemetry.counter("together.client.auth.failures") == 1
    assert (
        telemetry.counter("together.client.requests", {"together.request.outcome": "success"}) == 1
    )
    assert GENERATION in {1, 2, 3}


def test_a_machine_with_only_together_ai(server, key, tmp_path):
    """Without `together`, opentelemetry-instrument's own loader turns us on for `together_ai`."""
    packages = Path(sysconfig.get_paths()["purelib"])
    for entry in packages.iterdir():
        if not entry.name.startswith(("together-", "together_ai")) and entry.name != "together":
            (tmp_path / entry.name).symlink_to(entry)
    program = (
        "from opentelemetry.instrumentation.auto_instrumentation import initialize\n"
        "initialize(swallow_exceptions=False)\n"
        "import importlib.util, together_ai\n"
        "assert importlib.util.find_spec('together') is None\n"
        "try: together_ai.TogetherAI(api_key='').chat('Hello')\n"
        "except together_ai.errors.AuthenticationError as exc: print('APP', exc)\n"
    )
    done = run_to_end(
        [sys.executable, "-S", "-c", program],
        env={
            "PYTHONPATH": os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "tests/standins"))),
            "TOGETHER_BASE_URL": server.base_url,
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "NO_PROXY": "127.0.0.1",
        },
    )
    assert done.returncode == 0, done.stderr
    assert f"APP {BAD_KEY}" in done.stdout
    assert "together.client.auth_failed cause=empty" in done.stderr
    assert leaks(done.stdout + done.stderr, key) == []


def test_in_house_key_that_does_not_fit_in_a_header(telemetry, in_house, key):
    """Over http.client a newline is a bare ValueError that repeats the key; it is diagnosed."""
    client = in_house.TogetherAI(api_key=key + "\n")
    with pytest.raises(ValueError, match="Invalid header value"):
        client.chat("Hello")

    assert (
        telemetry.counter("together.client.auth.failures", {"together.auth.cause": "malformed"})
        == 1
    )
    assert leaks(telemetry.everything(), key) == []
