"""Where recovery holds: in a process, in a block of code, or nowhere."""

import asyncio

import pytest
from generation import GENERATION, MESSAGES, MODEL, RELEASE, leaks, made_up_key
from opentelemetry.instrumentation.utils import suppress_instrumentation
from recovering import BAD, OLD, Answers, instrument

from together_otel import TogetherInstrumentor, recovery
from together_otel.recovery import replacements
from together_otel.testing import behaviours


def test_it_is_off_by_default(lab):
    lab.refused(lab.client(api_key=OLD))
    assert len(lab.server.requests) == 1
    assert lab.telemetry.metrics().get("together.client.key.recoveries", []) == []


def test_every_outcome_exists_at_zero_where_it_is_on(telemetry):
    instrument(telemetry, Answers(None))
    points = telemetry.metrics()["together.client.key.recoveries"]
    assert [point["value"] for point in points] == [0] * 4


def test_in_a_block_of_code(lab):
    """`use` holds inside, before what `instrument` was told; without a source it turns it off."""
    outer, inner = Answers(BAD), Answers(lab.key)
    lab.instrument(outer)
    with recovery.use():
        lab.refused(lab.client(api_key=OLD))
    with recovery.use(recovery.function(inner)):
        assert lab.chat(lab.client(api_key=OLD)).choices
    assert (outer.calls, inner.calls) == (0, 1)
    with pytest.raises(TypeError, match=r"not str$"):
        recovery.use(lab.key).__enter__()


def test_other_clients_where_a_stream_of_a_recovered_one_is_open(lab, monkeypatch):
    """Their calls do not even look at their key."""
    lab.instrument(None)
    with recovery.use(Answers(lab.key)):
        stream = lab.chat(lab.client(api_key=OLD), stream=True)
    lab.read(stream, chunks=1)
    with monkeypatch.context() as patch:
        patch.setattr(replacements, "exact", None)
        lab.chat(lab.client(api_key=lab.key))
    lab.read(stream)
    assert lab.keys_sent() == [OLD, lab.key, lab.key]


def test_a_key_is_proven_outside_the_block_that_it_was_found_in(lab):
    lab.instrument(None)
    client = lab.client(api_key=OLD)
    lab.server.script(behaviours.refuse(), behaviours.forbidden_context())
    with recovery.use(Answers(lab.key)), pytest.raises(Exception, match="context length"):
        lab.chat(client)
    lab.chat(client)
    assert lab.event("key_recovered")["together.recovery.source"] == "function"


def test_blocks_of_code_in_tasks(telemetry, server):
    """Each task has its own, and tasks that it starts have it too."""
    import together  # noqa: PLC0415 - after the instrumentation

    instrument(telemetry, None)
    keys = [made_up_key(letter) for letter in "ABC"]
    source = [Answers(one) for one in keys]
    server.always(behaviours.usual())
    for one in keys:
        server._keys.add(one)

    async def ask(number):
        client = together.AsyncTogether(
            api_key=OLD, base_url=server.base_url_for(RELEASE), max_retries=0
        )
        with recovery.use(source[number]):
            await asyncio.gather(
                *(
                    asyncio.create_task(
                        client.chat.completions.create(model=MODEL, messages=MESSAGES)
                    )
                    for _ in range(2)
                )
            )
        if GENERATION > 1:
            await client.close()
            return str(client.api_key)
        return str(client.client.api_key)

    async def main():
        return await asyncio.gather(*map(ask, range(3)))

    assert asyncio.run(main()) == keys
    assert [one.calls for one in source] == [1, 1, 1]


def test_by_the_environment(lab, monkeypatch, tmp_path):
    """For zero-code use; what `instrument` is told goes first."""
    secret = tmp_path / "together"
    secret.write_text(f"{lab.key}\n")
    monkeypatch.setenv("TOGETHER_OTEL_RECOVERY", f"environment; file:{secret}")
    lab.instrument(None)
    lab.chat(lab.client(api_key=OLD))
    assert lab.keys_sent() == [OLD, lab.key]
    assert lab.event("key_recovered")["together.recovery.source"] == "file"

    source = Answers(lab.key)
    lab.instrument(source)
    lab.chat(lab.client(api_key=OLD))
    assert source.calls == 1


def test_a_wrong_argument_turns_it_off(lab, caplog):
    """`instrument` does not raise; a warning says what it takes, and does not repeat a key."""
    lab.instrument(lab.key)
    assert "Recovery is off: recovery takes sources" in caplog.text
    lab.refused(lab.client(api_key=OLD))
    assert leaks(caplog.text, lab.key) == []


def test_off_with_the_instrumentation(lab):
    source = Answers(lab.key)
    lab.instrument(source)
    client = lab.client(api_key=OLD)
    with suppress_instrumentation():
        lab.refused(client)
    TogetherInstrumentor().uninstrument()
    with recovery.use(source):
        lab.refused(client)
    assert (source.calls, len(lab.server.requests)) == (0, 2)
    lab.instrument(None)
