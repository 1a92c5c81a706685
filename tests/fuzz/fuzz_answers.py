"""What a server, or the way to it, says: each of its texts may repeat a key."""

import json

import httpx

_STATUSES = (400, 401, 401, 401, 402, 403, 404, 422, 429, 500, 503)
_CODES = ("invalid_api_key", "missing_api_key", "model_not_available", None)


def _header(text):
    """Return a text as what a header's value may be."""
    return "".join(one if one.isprintable() else " " for one in text).strip().encode()


def _headers(rng, say, kind):
    found = [
        (b"content-type", kind.encode()),
        (b"x-request-id", _header(say("request id"))),
        (b"x-ratelimit-limit", b"60"),
        (b"x-ratelimit-remaining", _header(say("what is left"))),
        (b"server", _header(say("server"))),
        (b"set-cookie", _header(f"token={say('cookie')}")),
    ]
    if rng.random() < 0.2:
        name = "".join(one if one.isalnum() else "-" for one in say("header's name"))
        found.append((f"x-{name}".encode("ascii", "replace").replace(b"?", b"-"), b"1"))
    if rng.random() < 0.2:
        found.append((b"www-authenticate", _header(f"Bearer realm={say('realm')}")))
    return found


def error_body(rng, say):
    """Return an error as Together writes it, or as gateways do."""
    code = rng.choice(_CODES) if rng.random() < 0.8 else say("error's code")
    error = {
        "message": say("error's message"),
        "type": say("error's type"),
        "param": say("error's param"),
        "code": code,
    }
    return rng.choice(({"error": error}, error, {"error": say("error")}, {"detail": [error]}))


def completion(say):
    """Return the answer of a model."""
    message = {
        "role": "assistant",
        "content": say("content"),
        "reasoning": say("reasoning"),
        "tool_calls": [
            {
                "id": say("call's id"),
                "type": "function",
                "index": 0,
                "function": {
                    "name": say("tool called"),
                    "arguments": json.dumps({"api_key": say("argument"), "q": say("argument")}),
                },
            }
        ],
    }
    return {
        "id": say("id"),
        "object": "chat.completion",
        "created": 1,
        "model": say("model answered"),
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        "choices": [{"index": 0, "finish_reason": say("finish reason"), "message": message}],
    }


def chunks(rng, say):
    """Yield the chunks of a streamed answer, whose texts come in pieces."""
    envelope = {"id": say("id"), "created": 1, "model": say("model answered")}
    text, size = say("content"), rng.randint(1, 20)
    arguments = json.dumps({"header": say("argument")})
    for at in range(0, min(len(text), 40 * size), size):
        delta = {"role": "assistant", "content": text[at : at + size]}
        yield {**envelope, "choices": [{"index": 0, "finish_reason": None, "delta": delta}]}
    for at in range(0, min(len(arguments), 80), 20):
        function = {
            "name": say("tool called") if not at else None,
            "arguments": arguments[at : at + 20],
        }
        call = {"index": 0, "id": "call", "type": "function", "function": function}
        yield {
            **envelope,
            "choices": [{"index": 0, "finish_reason": None, "delta": {"tool_calls": [call]}}],
        }
    yield {
        **envelope,
        "choices": [{"index": 0, "finish_reason": say("finish reason"), "delta": {}}],
    }


# ── whole answers ────────────────────────────────────────────────────────────────────


def refuses(rng, say):
    """Answer with an error, in JSON."""
    body = json.dumps(error_body(rng, say), ensure_ascii=rng.random() < 0.5)
    headers = _headers(rng, say, "application/json")
    return httpx.Response(rng.choice(_STATUSES), headers=headers, content=body.encode())


def says_no(rng, say):
    """Answer with an error that is a page, or a line."""
    page = rng.choice(("<html><body>{}</body></html>", "{}", "not JSON: {{{}"))
    kind = rng.choice(("text/html", "text/plain", "application/json"))
    content = page.format(say("page")).encode("utf-8", "replace")
    return httpx.Response(rng.choice(_STATUSES), headers=_headers(rng, say, kind), content=content)


def answers(rng, say):
    """Answer as asked."""
    content = json.dumps(completion(say)).encode()
    return httpx.Response(200, headers=_headers(rng, say, "application/json"), content=content)


def answers_badly(rng, say):
    """Answer with what is good as HTTP goes, and is no answer: an error, or not JSON."""
    body = error_body(rng, say)
    content = rng.choice((json.dumps(body), f"{{{say('page')}", "[]", json.dumps(say("page"))))
    return httpx.Response(
        200, headers=_headers(rng, say, "application/json"), content=content.encode()
    )


def streams(rng, say):
    """Stream an answer, which may end in an error."""
    frames = list(chunks(rng, say))
    if rng.random() < 0.4:
        frames = [*frames[: rng.randint(0, len(frames))], error_body(rng, say)]
    text = "".join(f"data: {json.dumps(one)}\n\n" for one in frames) + "data: [DONE]\n\n"
    headers = _headers(rng, say, "text/event-stream")
    return httpx.Response(200, headers=headers, content=text.encode())


def redirects(rng, say):
    """Send the client elsewhere."""
    host = "".join(
        one for one in say("host of a redirect").lower() if one.isascii() and one.isalnum()
    )
    path = "".join(
        one if one.isascii() and one.isalnum() else "-" for one in say("path of a redirect")
    )
    # A part of a name has 63 characters at most.
    labels = ".".join(host[at : at + 60] for at in range(0, min(len(host), 180), 60))
    location = f"https://{labels or 'other'}.elsewhere.invalid/{path}"
    headers = [*_headers(rng, say, "text/plain"), (b"location", location.encode())]
    return httpx.Response(rng.choice((302, 307, 308)), headers=headers)


# ── what breaks on the way ───────────────────────────────────────────────────────────


class _Odd(Exception):  # noqa: N818 - that is what it is
    """What an application's own transport may raise."""

    def __str__(self):
        return f"odd: {self.args[0]}"


def _raised(exc, cause):
    exc.__cause__ = cause
    return exc


def breaks(rng, say, request):
    """Return what the transport raises: with causes, notes and groups."""
    text = say("exception")
    held = [
        lambda: httpx.ConnectError(text),
        lambda: httpx.ReadTimeout(text, request=request),
        lambda: httpx.LocalProtocolError(
            f"Illegal header value {text.encode('utf-8', 'replace')!r}"
        ),
        lambda: httpx.ProxyError(text, request=request),
        lambda: OSError(111, text, say("file")),
        lambda: ValueError(text, {"headers": {"authorization": text}}),
        lambda: KeyError(text),
        lambda: RuntimeError([text]),
        lambda: _Odd(text),
        lambda: UnicodeEncodeError("ascii", f"Bearer {text}", 7, 9, "ordinal not in range(128)"),
        lambda: SyntaxError("odd", ("file", 1, 1, f"key = {text!r}")),
    ]
    exc = rng.choice(held)()
    if rng.random() < 0.5:
        exc = _raised(exc, rng.choice(held)())
    if hasattr(exc, "add_note"):
        if rng.random() < 0.3:
            exc.add_note(say("note"))
        if rng.random() < 0.2:
            exc = ExceptionGroup(say("group"), [exc, ValueError(say("member"))])  # noqa: F821 - of 3.11
    return exc
