"""LiteLLM's proxy: its clients' failures are its own, and hide which key they are of."""

import asyncio
import json

import pytest
from wire_cases import OTHER

pytest.importorskip("litellm")
pytest.importorskip("apscheduler", reason="LiteLLM without its proxy")


pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_proxy(base, key, telemetry, tmp_path):
    """Each request that it makes of Together is a call here: accepted, and refused."""
    import httpx
    from litellm.proxy.proxy_server import app, initialize

    models = [
        {
            "model_name": name,
            "litellm_params": {"model": "together_ai/a/model", "api_base": base, "api_key": text},
        }
        for name, text in (("good", key), ("bad", OTHER))
    ]
    settings = {"num_retries": 0}
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"model_list": models, "router_settings": settings}))

    async def asking():
        await initialize(config=str(config))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://proxy") as client:
            found = []
            for model in ("good", "bad"):
                body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
                answer = await client.post("/v1/chat/completions", json=body)
                found.append(answer.status_code)
            return found

    good, bad = asyncio.run(asking())
    assert good == 200
    assert bad >= 400
    names = [one["name"] for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert names == ["chat a/model"] * 2
    assert telemetry.value("together.client.auth.failures", together_auth_cause="rejected") == 1
