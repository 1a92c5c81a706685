"""The key that counts is the one that was sent: options that replace the client's."""

import pytest
from generation import GENERATION, Sdk, leaks, made_up_key

from together_otel.guard import Guard

GENERATED = pytest.mark.skipif(GENERATION < 2, reason="1.x has none of these options")
ONLY_1 = pytest.mark.skipif(GENERATION > 1, reason="httpx reads no .netrc by itself")

OTHER = made_up_key("Z")


def failed(telemetry):
    """Return the attributes of the one authentication failure."""
    (event,) = [log for log in telemetry.logs() if log["event_name"].endswith("auth_failed")]
    assert telemetry.counter("together.client.auth.failures") == 1
    attributes = event["attributes"]
    assert attributes["together.auth.cause"] == "overridden"
    return attributes


@GENERATED
@pytest.mark.parametrize("spelling", ["Authorization", "AUTHORIZATION"])
def test_extra_headers(spelling, sdk, key, telemetry):
    """Of one call only."""
    client = sdk.client(api_key=key)
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client, extra_headers={spelling: f"Bearer {OTHER}"})

    attributes = failed(telemetry)
    assert "extra_headers" in attributes["together.auth.remedy"]
    assert attributes["together.api_key.source"] == "header"
    assert leaks(telemetry.everything(), OTHER) == []
    sdk.chat(client)


@GENERATED
def test_auth_of_the_http_client(sdk, key, telemetry):
    """A client of httpx with a login of its own puts that over the key."""
    import httpx  # noqa: PLC0415 - the SDK's own dependency, from 2.x on

    kind = httpx.AsyncClient if sdk.is_async else httpx.Client
    client = sdk.client(api_key=key, http_client=kind(auth=("somebody", "something")))
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)

    assert "passed as http_client" in failed(telemetry)["together.auth.remedy"]


def with_login(sdk):
    """Return the server's URL with a user name and a password that is shaped as a key."""
    return sdk.base_url.replace("://", f"://somebody:{OTHER}@")


def test_credentials_in_the_base_url(sdk, key, telemetry):
    """HTTP libraries make a header of their own of them."""
    if sdk.is_async and GENERATION == 1:
        pytest.skip("aiohttp does not send both")
    client = sdk.client(api_key=key, base_url=with_login(sdk))
    with pytest.raises(Exception):  # noqa: B017, PT011 - the class differs by generation
        sdk.chat(client)

    assert "base_url" in failed(telemetry)["together.auth.remedy"]
    assert leaks(telemetry.everything(), OTHER) == []


@ONLY_1
def test_netrc(sdk, key, telemetry, tmp_path, monkeypatch):
    """A file of logins, which requests obeys although there is a header."""
    if sdk.is_async:
        pytest.skip("aiohttp reads none unless it is told to")
    logins = tmp_path / "netrc"
    logins.write_text(f"machine 127.0.0.1 login somebody password {OTHER}")
    monkeypatch.setenv("NETRC", str(logins))
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(sdk.client(api_key=key))

    assert ".netrc" in failed(telemetry)["together.auth.remedy"]


@GENERATED
def test_request_hook(sdk, key, telemetry):
    """A function of the HTTP client may change any header of a request."""
    import httpx  # noqa: PLC0415 - the SDK's own dependency, from 2.x on

    def hook(request):
        request.headers["Authorization"] = f"Bearer {OTHER}"

    async def async_hook(request):
        hook(request)

    kind = httpx.AsyncClient if sdk.is_async else httpx.Client
    hooks = {"request": [async_hook if sdk.is_async else hook]}
    client = sdk.client(api_key=key, http_client=kind(event_hooks=hooks))
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)

    assert "request hooks" in failed(telemetry)["together.auth.remedy"]


@GENERATED
def test_a_client_whose_key_cannot_be_read_again(sdk, key, telemetry, monkeypatch):
    """Its own error is not the caller's, nor is the refusal lost."""
    import httpx  # noqa: PLC0415 - the SDK's own dependency, from 2.x on

    monkeypatch.setattr(Guard, "raising", False)
    kind, held = sdk.client_class, {}

    def read(_client):
        if held.get("is_sent"):
            raise LookupError("the store of secrets is away")
        return held["key"]

    def hook(request):
        request.headers["Authorization"] = f"Bearer {OTHER}"
        held["is_sent"] = True

    async def async_hook(request):
        hook(request)

    api_key = property(read, lambda _client, given: held.update(key=given))
    monkeypatch.setattr(Sdk, "client_class", type(kind.__name__, (kind,), {"api_key": api_key}))
    http_kind = httpx.AsyncClient if sdk.is_async else httpx.Client
    hooks = {"request": [async_hook if sdk.is_async else hook]}
    client = sdk.client(api_key=key, http_client=http_kind(event_hooks=hooks))
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)

    assert telemetry.counter("together.client.auth.failures") == 1
    assert leaks(telemetry.everything(), OTHER) == []


@pytest.mark.skipif(GENERATION < 3, reason="the variable came with 3.x")
def test_custom_headers_of_the_environment(sdk, key, telemetry, monkeypatch):
    monkeypatch.setenv("TOGETHER_CUSTOM_HEADERS", f"Authorization: Bearer {OTHER}")
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(sdk.client(api_key=key))

    assert "TOGETHER_CUSTOM_HEADERS" in failed(telemetry)["together.auth.remedy"]


@GENERATED
def test_key_renewed_within_the_call(sdk, key, telemetry):
    """What the client's own hook sets before it is sent is the client's key."""
    client = sdk.client(api_key=key)
    prepare = client._prepare_options

    def renewing(options):
        client.api_key = OTHER
        return prepare(options)

    client._prepare_options = renewing
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)

    (event,) = [log for log in telemetry.logs() if log["event_name"].endswith("auth_failed")]
    assert event["attributes"]["together.auth.cause"] == "rejected"
    assert event["attributes"]["together.api_key.source"] == "argument"


@GENERATED
def test_header_removed(sdk, key, telemetry):
    """`Omit()` sends no header at all; what was asked without a key is no acceptance either."""
    import together  # noqa: PLC0415 - after the instrumentation

    client = sdk.client(api_key=key, default_headers={"Authorization": together.Omit()})
    with pytest.raises(Exception, match="Missing API key"):
        sdk.chat(client)

    attributes = failed(telemetry)
    assert "is not in the request" in attributes["together.auth.remedy"]
    assert "default_headers" in attributes["together.auth.remedy"]


@GENERATED
def test_good_header_over_an_empty_key(sdk, key, telemetry):
    """Works, and is nobody's failure: the finding says that the key comes by header."""
    client = sdk.client(api_key="", default_headers={"Authorization": f"Bearer {key}"})
    assert sdk.chat(client).choices

    assert telemetry.counter("together.client.auth.failures") == 0
    (checked,) = telemetry.logs()
    assert checked["severity"] == "INFO"
    assert checked["attributes"]["together.api_key.source"] == "header"


@GENERATED
def test_key_set_later(sdk, key, telemetry):
    """`client.api_key = …` counts from the next request on."""
    client = sdk.client(api_key=OTHER)
    client.api_key = key
    assert sdk.chat(client).choices
    client.api_key = ""
    with pytest.raises(Exception, match="Connection error"):
        sdk.chat(client)

    counted = {"together.auth.cause": "empty"}
    assert telemetry.counter("together.client.auth.failures", counted) == 1
    assert telemetry.counter("together.client.auth.failures") == 1
