"""What is no call by the SDK: a request of an HTTP library, an in-house client, a command, settings."""

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path
from unittest import mock
from urllib.parse import quote

import httpx
import requests
from fuzz_keys import WRITINGS, make_key
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

from together_otel.cli import main
from together_otel.settings import KEYWORDS, Settings

sys.path.append(str(Path(__file__).parents[1] / "standins"))

import together_ai

_URL = "https://api.together.xyz/v1"


# ── requests of an HTTP library ──────────────────────────────────────────────────────


class _Adapter(requests.adapters.BaseAdapter):
    """Answers what requests sends as the case's server does."""

    def __init__(self, case):
        super().__init__()
        self._case = case

    def send(self, request, **_):
        sent = httpx.Request(request.method, _URL, content=request.body)
        sent.headers["authorization"] = str(request.headers.get("authorization", "")).encode()
        found = self._case.respond(sent)
        response = requests.Response()
        response.status_code, response.request, response.url = (
            found.status_code,
            request,
            request.url,
        )
        response.headers.update(
            {name: text for name, text in found.headers.items() if name != "location"}
        )
        response.raw = io.BytesIO(found.content)
        return response

    def close(self):
        """Nothing is open."""


def _question(case):
    message = {"role": "user", "content": case.say("content asked")}
    return {"model": case.say("model"), "messages": [message], "stop": case.say("stop")}


def _headers(key):
    # Both libraries take bytes, and write them as they are.
    return {"Authorization": f"Bearer {key}".encode()}


def by_requests(case):
    """Ask Together with requests."""
    with requests.Session() as session:
        session.mount("https://", _Adapter(case))
        path = quote(case.say("path")) if case.rng.random() < 0.3 else "chat/completions"
        url = f"{_URL}/{path}"
        answer = session.post(url, json=_question(case), headers=_headers(case.own.text))
        answer.raise_for_status()
        answer.json()


def by_httpx(case):
    """Ask Together with httpx."""
    with httpx.Client(transport=httpx.MockTransport(case.respond), **case.http) as http:
        HTTPXClientInstrumentor.instrument_client(http, tracer_provider=case.world.tracers)
        headers = _headers(case.own.text)
        answer = http.post(f"{_URL}/chat/completions", json=_question(case), headers=headers)
        answer.raise_for_status()
        answer.json()


def in_house(case):
    """Ask with a client of the application's own, that is written on httpx."""

    class Client(together_ai.TogetherAI):
        def _ask(self, prompt):
            with httpx.Client(transport=httpx.MockTransport(case.respond)) as http:
                HTTPXClientInstrumentor.instrument_client(http, tracer_provider=case.world.tracers)
                headers = _headers(self.api_key)
                answer = http.post(f"{_URL}/chat/completions", json={"q": prompt}, headers=headers)
                if answer.is_error and case.rng.random() < 0.5:
                    raise together_ai.AuthenticationError(answer.text, answer.status_code)
                answer.raise_for_status()
                return answer.json()

    Client(case.own.text, base_url=case.base).chat(case.say("prompt"))


# ── commands and settings ────────────────────────────────────────────────────────────


def _written(case, what):
    """Return a text in an argument or a file, which cannot hold everything."""
    # Whole keys, as they are pasted: nobody knows of a part that it is one.
    writing = case.rng.choice(
        ("as is", "bearer", "header", "assignment", "JSON", "URL", "argument")
    )
    text = WRITINGS[writing](case.own.text)
    case.told.append(f"{what}: {writing}")
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _arguments(case, folder):
    text = _written(case, "argument")
    file = folder / "env"
    lines = [
        f"TOGETHER_API_KEY={text}",
        text,
        f"export {text}",
        f"{text}=1",
        f"TOGETHER_AI_KEY='{text}",
    ]
    file.write_text("\n".join(case.rng.sample(lines, 3)), "utf-8")
    return case.rng.choice(
        [
            ["check"],
            ["check", "--json"],
            ["check", "--env-file", str(file)],
            ["check", "--env-file", str(file), "--json"],
            ["check", "--env-file", text],
            ["check", text],
            ["check", f"--{text}"],
            [text],
            [f"--api-key={text}"],
            ["doctor", text],
            ["drill", "--cause", text],
            ["drill", "--duration", text],
            ["drill", "--port", text],
            ["export", str(folder / "out"), "--only", text],
            ["export", str(file), text],
            ["export", str(file / "x")],
        ]
    )


def command(case):
    """Run one of our commands, with the key where it does not belong as well."""
    case.environ["TOGETHER_API_KEY"] = case.own.text.replace("\0", "")
    case.environ["TOGETHER_BASE_URL"] = f"https://u:{quote(case.own.text, safe='')}@host.invalid/v1"
    case.environ["TOGETHER_CUSTOM_HEADERS"] = _written(case, "TOGETHER_CUSTOM_HEADERS")
    case.environ["TOGETHER_AI_KEY"] = _written(case, "TOGETHER_AI_KEY")
    out, err = io.StringIO(), io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, case.environ),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.suppress(SystemExit),
    ):
        arguments = _arguments(case, Path(folder))
        case.told.append(f"together-otel {' '.join(arguments[:2])}")
        main(arguments)
    case.signals["command line"] = out.getvalue() + err.getvalue()
    assert case.signals["command line"]


def settings(case):
    """Read settings that a key was pasted into, of a shape that tells it from a word."""
    shape = case.rng.choice(("tgp_v1", "legacy hex", "OpenAI's", "opaque", "JWT", "quoted"))
    case.own = make_key(case.rng, shape)
    case.keys[:] = [case.own]
    secret = quote(case.own.text, safe="")
    environ = dict.fromkeys(KEYWORDS.values(), "")
    for variable in case.rng.sample(list(environ), 4):
        environ[variable] = _written(case, variable)
    environ["TOGETHER_OTEL_RECOVERY"] = f"command:tool --token '{secret}'"
    environ["TOGETHER_OTEL_PUSHGATEWAY"] = f"http://user:{secret}@host.invalid:9091"
    found = Settings.from_environment(environ)
    case.signals["repr of settings"] = repr(found)


OTHERS = {
    "requests": by_requests,
    "httpx": by_httpx,
    "in-house client": in_house,
    "command": command,
    "settings": settings,
}
