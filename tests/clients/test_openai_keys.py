"""Ways to get the key of an openai client wrong, and what is said of each."""

import json
import sys
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest
from reaching import ELSEWHERE
from reported import calls, events, failures, only_failure

from together_otel.testing import behaviours
from together_otel.testing.keys import MadeUpKeys

KEYS = MadeUpKeys()
OTHER = KEYS.together()
FOREIGN = KEYS.other_provider()
RELEASE = tuple(int(part) for part in openai.__version__.split(".")[:2])
of_functions = pytest.mark.skipif(RELEASE < (1, 109), reason="keys are text in older releases")
VARIABLE, OPENAI = "TOGETHER_API_KEY", "OPENAI_API_KEY"


@dataclass(frozen=True)
class Case:
    """One way to get it wrong; ``{key}`` in texts is the good key.

    Attributes:
        says: what the remedy must say.
        argument: the api_key; ``None`` passes ``None``, as ``os.environ.get()`` does.
        options: further ones of the client.
        since: the first release that it is possible in.
    """

    title: str
    cause: str
    says: str
    argument: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    refuse: behaviours.Behaviour | None = None
    since: tuple[int, int] = (1, 0)

    def __str__(self):
        return self.title


CASES = [
    Case("no key", "missing", "as OpenAI reads OPENAI_API_KEY; it is unset"),
    Case(
        "the key in Together's variable alone",
        "wrong_variable",
        "OpenAI reads OPENAI_API_KEY; it is unset, but TOGETHER_API_KEY holds a key",
        None,
        {VARIABLE: "{key}"},
    ),
    Case(
        "the key in a third variable",
        "wrong_variable",
        "but TOGETHER_AI_TOKEN holds a key of Together's shape: pass it as api_key",
        None,
        {"TOGETHER_AI_TOKEN": "{key}"},
    ),
    Case(
        "OpenAI's key, as Together's variable is unset",
        "wrong_provider",
        "OPENAI_API_KEY is a key of OpenAI, and goes to Together because TOGETHER_API_KEY is unset",
        None,
        {OPENAI: FOREIGN},
    ),
    Case(
        "OpenAI's key beside the good one",
        "wrong_provider",
        "OPENAI_API_KEY is a key of OpenAI, while TOGETHER_API_KEY holds a key",
        None,
        {OPENAI: FOREIGN, VARIABLE: "{key}"},
    ),
    Case("OpenAI's key as the argument", "wrong_provider", "is a key of OpenAI", FOREIGN),
    Case("empty", "empty", "The api_key argument is empty", ""),
    Case("empty variable", "empty", "OPENAI_API_KEY is empty", None, {OPENAI: ""}),
    Case("white space", "empty", "holds only white space", "   "),
    Case("newline at the end", "malformed", "ends in a newline", "{key}\n"),
    Case("newline inside", "malformed", "a newline", OTHER[:20] + "\n" + OTHER[20:]),
    Case("trailing space", "malformed", "has spaces around it", "{key} "),
    Case("accented letter", "malformed", "not ASCII", OTHER[:30] + "é" + OTHER[31:]),
    Case("zero-width space", "malformed", "invisible character", "{key}\u200b"),
    Case("quotes", "malformed", "quotes", '"{key}"'),
    Case("Bearer prefix", "malformed", "the word Bearer", "Bearer {key}"),
    Case("placeholder", "malformed", "is a placeholder", "changeme"),
    Case("a character lost", "malformed", "too short", OTHER[:-1]),
    Case("typo", "rejected", "is well formed", OTHER),
    Case(
        "default_headers",
        "overridden",
        "remove Authorization from default_headers",
        "{key}",
        options={"default_headers": {"Authorization": f"Bearer {OTHER}"}},
    ),
    Case(
        "headers of the environment",
        "overridden",
        "remove Authorization from OPENAI_CUSTOM_HEADERS",
        "{key}",
        {"OPENAI_CUSTOM_HEADERS": f"Authorization: Bearer {OTHER}"},
        since=(2, 54),
    ),
    Case(
        "an admin's key alone",
        "missing",
        "as OpenAI reads OPENAI_API_KEY; it is unset",
        None,
        {"OPENAI_ADMIN_KEY": FOREIGN},
        since=(2, 54),
    ),
    Case(
        "a proxy that removes the header",
        "header_lost",
        "found no key",
        "{key}",
        refuse=behaviours.lose_key(),
    ),
    Case("a login page", "wrong_endpoint", "login page", "{key}", refuse=behaviours.refuse("html")),
    Case("403 with a code", "rejected", "", "{key}", refuse=behaviours.forbidden_key(403)),
    Case(
        "LiteLLM's expired key",
        "rejected",
        "",
        "{key}",
        refuse=behaviours.error(400, "Expired Key", kind="expired_key", code="400"),
    ),
    Case("the key in the refusal", "rejected", "", "{key}", refuse=behaviours.echo_key()),
]


@pytest.mark.parametrize("case", [one for one in CASES if one.since <= RELEASE], ids=str)
def test_cause_is_named_counted_once_and_remedied(case, lab, keys, telemetry, monkeypatch):
    """Every way to get the key wrong gives one count, one event, one span with its cause."""
    if case.refuse is not None:
        lab.server.always(case.refuse)
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value.replace("{key}", lab.key))
    argument = None if case.argument is None else case.argument.replace("{key}", lab.key)

    with pytest.raises(Exception):  # noqa: B017, PT011 - which one differs by release
        lab.chat(lab.client(api_key=argument, **case.options))

    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == case.cause
    assert case.says in event["together.auth.remedy"]
    assert event["together.client.library"] == "openai"
    assert KEYS.shown_in({"telemetry": telemetry.everything()}) == []


@pytest.mark.parametrize("options", [{}, {"api_key": None, "azure_ad_token": "a.b.c"}])
@pytest.mark.parametrize("place", ["base_url", "azure_endpoint"])
def test_a_client_for_azure(lab, keys, telemetry, place, options):
    """It sends its key in another header than Together reads; releases before 2.54 in both."""
    kind = openai.AsyncAzureOpenAI if lab.is_async else openai.AzureOpenAI
    options = {"api_key": lab.key, place: lab.base_url, "api_version": "1", **options}
    lab.server.always(behaviours.refuse())
    client = kind(max_retries=0, **options)
    with pytest.raises(openai.AuthenticationError):
        lab.chat(client)
    lab.run(client.close)
    event = only_failure(telemetry, keys)
    if RELEASE < (2, 54) and client.api_key == lab.key:
        assert event["together.auth.cause"] == "rejected"
        return
    assert event["together.auth.cause"] == "overridden"
    assert "use OpenAI or AsyncOpenAI" in event["together.auth.remedy"]


@pytest.mark.parametrize("places", [("argument", "environment"), ("environment", "argument")])
def test_one_key_from_two_places(lab, telemetry, monkeypatch, places):
    """Each failure says where its own client has it from, whichever was seen first."""

    def made(place):
        if place == "argument":
            return lab.client(api_key=OTHER)
        monkeypatch.setenv(OPENAI, OTHER)
        client = lab.client()
        monkeypatch.delenv(OPENAI)
        return client

    clients = [made(place) for place in places]
    for client in clients * 2:
        with pytest.raises(openai.AuthenticationError):
            lab.chat(client.with_options(timeout=5))
    found = [
        (one["together.api_key.source"], one.get("together.api_key.variable"))
        for one in calls(telemetry)
    ]
    variables = {"argument": None, "environment": OPENAI}
    assert found == [(place, variables[place]) for place in places] * 2


def test_the_module_as_a_client(lab, keys, telemetry, monkeypatch):
    """It is made without a key, and has none where nobody has set one."""
    monkeypatch.setattr(openai, "base_url", lab.base_url)
    monkeypatch.setattr(openai, "max_retries", 0)
    monkeypatch.setattr(openai, "api_key", None)
    with pytest.raises((openai.OpenAIError, TypeError)):
        openai.chat.completions.create(model="a", messages=[])
    openai._reset_client()
    assert only_failure(telemetry, keys)["together.auth.cause"] == "missing"


def test_revoked_key(lab, keys, telemetry):
    client = lab.client(api_key=lab.key)
    lab.chat(client)
    lab.server.revoke(lab.key)
    with pytest.raises(openai.AuthenticationError):
        lab.chat(client)
    assert only_failure(telemetry, keys)["together.auth.cause"] == "revoked"


@pytest.mark.parametrize("raises", ["the status", "its own"])
def test_a_hook_that_raises_of_a_refusal(lab, keys, telemetry, raises):
    """The application's HTTP client raises before openai sees the answer, which 1.x and 2.x retry."""
    http = sys.modules.get("httpx2") or sys.modules["httpx"]

    def hook(response):
        if raises == "its own" and response.is_error:
            raise LookupError
        response.raise_for_status()

    async def async_hook(response):
        hook(response)

    kind, made = (http.AsyncClient, async_hook) if lab.is_async else (http.Client, hook)
    client = lab.client(api_key=OTHER, http_client=kind(event_hooks={"response": [made]}))
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one differs by release
        lab.chat(client)
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == "rejected"
    assert event["http.response.status_code"] == 401


def test_error_frame(lab, keys, telemetry):
    """A refusal inside a stream is an APIError without a status, and counted once."""
    lab.server.always(behaviours.error_frame())
    with pytest.raises(openai.APIError):
        lab.read(lab.chat(lab.client(api_key=lab.key), stream=True))
    event = only_failure(telemetry, keys)
    assert event["error.type"] == "openai.APIError"
    assert (event["http.response.status_code"], event["together.request.id"]) == (200, "req-1")


def test_a_refusal_in_place_of_a_stream(lab, keys, telemetry):
    """With status 200: the client yields nothing, and only the body says why."""
    error = {"message": behaviours.INVALID_KEY, "code": "invalid_api_key"}
    lab.server.always(behaviours.custom(200, {"error": error}))
    assert lab.read(lab.chat(lab.client(api_key=lab.key), stream=True)) == []
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == "rejected"
    assert event["http.response.status_code"] == 200


def test_a_stream_that_is_called_a_document(lab, telemetry):
    """Its events are what counts."""
    chunk = {"id": "a", "model": "m", "choices": [], "usage": {"prompt_tokens": 3}}
    text = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"
    lab.server.always(behaviours.custom(200, text, content_type="application/json"))
    assert len(lab.read(lab.chat(lab.client(api_key=lab.key), stream=True))) == 1
    (attributes,) = calls(telemetry)
    assert attributes["together.request.outcome"] == "success"
    assert attributes["gen_ai.usage.input_tokens"] == 3


def test_unsendable_key_is_tried_and_counted_once(lab, keys, telemetry):
    """The client tries it again, though it can never be sent: one call, with its retries."""
    with pytest.raises(openai.APIConnectionError):
        lab.chat(lab.client(api_key=f"{lab.key}\n", max_retries=1))
    event = only_failure(telemetry, keys)
    assert event["error.type"] == "openai.APIConnectionError"
    (attributes,) = calls(telemetry)
    assert attributes["http.request.resend_count"] == 1
    assert lab.server.requests == []


def maker_of(lab, *made):
    """Return a function that gives one key after another; async for an async client."""
    rest = iter(made)

    async def make_async():
        return next(rest)

    return make_async if lab.is_async else lambda: next(rest)


@of_functions
def test_a_function_whose_keys_are_accepted(lab, telemetry):
    """What it makes for each request is the client's key, and no override."""
    another = KEYS.together()
    lab.server.accept(another)
    client = lab.client(api_key=maker_of(lab, lab.key, another))
    lab.chat(client)
    lab.chat(client)
    assert failures(telemetry) == {}
    assert events(telemetry, "key_checked") == []
    assert len(calls(telemetry)) == 2
    assert telemetry.value("together.client.key.info", together_api_key_source="argument") == 2
    assert not telemetry.counter("together.client.key.info", {"together.api_key.source": "header"})


@of_functions
@pytest.mark.parametrize(
    ("made", "cause", "says"),
    [
        (OTHER, "rejected", "is well formed"),
        (FOREIGN, "wrong_provider", "The api_key argument is a key of OpenAI"),
        (f"{OTHER}\n", "malformed", "ends in a newline"),
        (f"{OTHER[:-1]}é", "malformed", "not ASCII"),
        ("", "empty", "The api_key argument is empty"),
        (None, "empty", "The api_key argument is empty"),
    ],
    ids=["refused", "of another provider", "newline", "accented letter", "empty", "none"],
)
def test_a_function_whose_second_key_fails(lab, keys, telemetry, made, cause, says):
    """It is told of as an argument is, whether it was sent or not."""
    client = lab.client(api_key=maker_of(lab, lab.key, made))
    lab.chat(client)
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one differs
        lab.chat(client)
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == cause
    assert event["together.api_key.source"] == "argument"
    assert says in event["together.auth.remedy"]
    assert KEYS.shown_in({"telemetry": telemetry.everything()}) == []


@of_functions
def test_a_function_that_raises(lab, telemetry):
    """Its exception is the application's; no key has failed."""
    client = lab.client(api_key=maker_of(lab, lab.key))
    lab.chat(client)
    with pytest.raises((StopIteration, RuntimeError)):
        lab.chat(client)
    assert failures(telemetry) == {}
    assert [one["together.request.outcome"] for one in calls(telemetry)] == [
        "success",
        "client_error",
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_a_key_of_togethers_at_another_provider(lab, keys, telemetry, stream):
    """It is our key that is lost there: counted and logged, without a span."""
    client = lab.client(api_key=lab.key, base_url=lab.at(ELSEWHERE))
    lab.server.revoke(lab.key)
    with pytest.raises(openai.AuthenticationError):
        lab.chat(client, stream=stream)
    (event,) = events(telemetry)
    assert failures(telemetry) == {"wrong_endpoint": 1}
    assert event["together.auth.remedy"] == (
        "The api_key argument has the shape of a Together key, and was sent to api.openai.com, which"
        " is not Together: set base_url or OPENAI_BASE_URL to https://api.together.xyz/v1, or name a"
        " gateway of yours in TOGETHER_OTEL_HOSTS."
    )
    assert event["server.address"] == ELSEWHERE
    assert event["error.type"] == "openai.AuthenticationError"
    assert telemetry.spans() == []
    assert telemetry.counter("together.client.requests") == 0
    assert keys.shown_in({"telemetry": telemetry.everything()}) == []


@pytest.mark.parametrize("status", [403, 404, 429, 500])
def test_other_failures_at_another_provider(lab, telemetry, status):
    lab.server.always(behaviours.custom(status, {"error": {"message": "no"}}, foreign=True))
    with pytest.raises(openai.APIStatusError):
        lab.chat(lab.client(api_key=lab.key, base_url=lab.at(ELSEWHERE)))
    assert failures(telemetry) == {}
    assert telemetry.spans() == telemetry.logs() == []


@pytest.mark.parametrize("host", ["api.together.xyz", ELSEWHERE])
def test_no_frame_of_ours_holds_a_key(lab, telemetry, host):
    """Error trackers send the local variables of every frame that an exception has passed."""
    lab.server.revoke(lab.key)
    headers = {"x-key": lab.key}
    for work in (
        lambda: lab.client(api_key=lab.key, base_url=lab.at(host), no_such_option=lab.key),
        lambda: lab.chat(lab.client(api_key=lab.key, base_url=lab.at(host)), extra_headers=headers),
    ):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - of the client
            work()
        frames = [one.frame for one in caught.traceback if "together_otel/" in str(one.path)]
        assert frames or host == ELSEWHERE
        for frame in frames:
            assert lab.key not in repr(frame.f_locals)
    del telemetry
