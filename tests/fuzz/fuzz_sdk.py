"""One call by the SDK, sync or async, in whichever way; every text that it sends may have a key in it."""

import os
from unittest import mock
from urllib.parse import quote

import httpx
import together
from fuzz_ways import WAYS
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

from together_otel import recovery


def call_by_sdk(case):
    """Make the call."""
    WAYS[case.way](case)
    with mock.patch.dict(os.environ, case.environ):
        if case.is_async:
            case.world.loop.run_until_complete(_call_async(case))
        else:
            _call(case)


def _client(case, http, kind):
    HTTPXClientInstrumentor.instrument_client(http, tracer_provider=case.world.tracers)
    client = kind(http_client=http, base_url=case.base, max_retries=0, **case.made)
    if case.copied is not None:
        client = client.with_options(**case.copied)
    if "reassigned" in case.way:
        client.api_key = case.other.text
    return client


def _call(case):
    with httpx.Client(transport=httpx.MockTransport(case.respond), **case.http) as http:
        client = _client(case, http, together.Together)
        with _recovering(case):
            found = _asked(case, client)
            if isinstance(found, together.Stream):
                for _ in found:
                    pass


async def _call_async(case):
    async def respond(request):
        return case.respond(request)

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(respond), **_http_async(case)
    ) as http:
        client = _client(case, http, together.AsyncTogether)
        with _recovering(case):
            found = await _asked(case, client)
            if isinstance(found, together.AsyncStream):
                async for _ in found:
                    pass


def _http_async(case):
    options = dict(case.http)
    if hooks := options.get("event_hooks"):
        (hook,) = hooks["request"]

        async def waiting(request):
            hook(request)

        options["event_hooks"] = {"request": [waiting]}
    return options


def _recovering(case):
    return recovery.use(case.source) if case.source else mock.patch.dict({})


def _asked(case, client):
    """Make the request; every text of it may have a key in it."""
    rng, say = case.rng, case.say
    kind = rng.random()
    if kind < 0.1:
        path = quote(say("path"), safe="/") if rng.random() < 0.7 else say("path")
        headers = case.options.get("extra_headers", {})
        more = {"params": {"q": say("query")}, "headers": headers}
        return client.get(f"/{path}", cast_to=object, options=more)
    if kind < 0.2:
        model, text = say("model"), say("input")
        return client.embeddings.create(model=model, input=[text], **case.options)
    if kind < 0.3:
        model, text = say("model"), say("prompt")
        return client.completions.create(model=model, prompt=text, **case.options)
    message = {"role": "user", "content": say("content asked"), "name": say("name")}
    tool = {"name": say("tool"), "description": say("description"), "parameters": {}}
    options = {
        "stop": [say("stop")],
        "tools": [{"type": "function", "function": tool}],
        "reasoning_effort": say("effort"),
        "extra_body": {say("field"): say("value")},
        "extra_query": {"q": say("query")},
    }
    chosen = {name: options[name] for name in options if rng.random() < 0.5}
    stream = rng.random() < 0.4
    asked = {"model": say("model"), "messages": [message], "stream": stream}
    completions = client.chat.completions
    if rng.random() < 0.1:
        completions = completions.with_raw_response
    return completions.create(**asked, **chosen, **case.options)
