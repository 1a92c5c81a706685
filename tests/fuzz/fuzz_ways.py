"""How a client gets its key, or another one in its place."""

from dataclasses import replace
from urllib.parse import quote

import httpx

from together_otel import recovery


def _bearer(case):
    return {"Authorization": f"Bearer {case.other.text}"}


def _argument(_case):
    """The key is the argument, as it is for every case."""


def _environment(case):
    # No variable can hold a NUL.
    text, core = (part.replace("\0", "") for part in (case.own.text, case.own.core))
    case.own = replace(case.own, text=text, core=core)
    case.known[:] = case.keys[:] = [case.own]
    case.made.pop("api_key")
    case.environ["TOGETHER_API_KEY"] = text


def _shadowed(case):
    case.environ["TOGETHER_API_KEY"] = case.other.text.replace("\0", "")
    case.keys.append(case.other)


def _lookalike(case):
    case.made["api_key"] = case.rng.choice(("", None, "your-api-key"))
    case.environ["TOGETHER_AI_API_KEY"] = case.own.text.replace("\0", "")
    case.known.clear()  # nobody but us has seen it


class _Held:
    """Something that turns into text, as a SecretStr does not."""

    def __init__(self, text):
        self._text = text

    def __str__(self):
        return self._text


def _object(case):
    case.made["api_key"] = _Held(case.own.text)


def _bytes(case):
    data = case.own.text.encode()
    case.made["api_key"] = data
    case.known[:] = case.keys[:] = [replace(case.own, text=str(data))]


def _default_header(case):
    case.made["default_headers"] = _bearer(case)
    case.sends(case.other)


def _other_header(case):
    name = case.rng.choice(
        ("x-api-key", "api-key", "X-Auth-Token", "Proxy-Authorization", "Cookie")
    )
    case.made["default_headers"] = {name: case.other.text}
    case.sends(case.other)


def _extra_header(case):
    case.options["extra_headers"] = _bearer(case)
    case.sends(case.other)


def _other_extra_header(case):
    case.options["extra_headers"] = {case.rng.choice(("x-api-key", "api-key")): case.other.text}
    case.sends(case.other)


def _scheme(case):
    scheme = case.rng.choice(("Token ", "bearer ", "", "Basic ", "ApiKey  "))
    case.made["default_headers"] = {"authorization": f"{scheme}{case.other.text}"}
    case.sends(case.other)


def _custom_headers(case):
    text = case.other.text
    if text.isprintable() and text.isascii():
        case.environ["TOGETHER_CUSTOM_HEADERS"] = f"Authorization: Bearer {text}"
        case.sends(case.other)


def _copied(case):
    case.copied = {"api_key": case.other.text}
    case.known.clear()  # a copy with a key of its own has nothing to do with the first one
    case.sends(case.other)


def _copied_header(case):
    case.copied = {"default_headers": _bearer(case)}
    case.sends(case.other)


def _reassigned(case):
    case.known.clear()
    case.sends(case.other)


def _signing(case):
    case.keys.append(case.other)

    def sign(request):
        # What no header may hold never gets out of the hook.
        request.headers["authorization"] = f"Bearer {case.other.text}"
        return request

    return sign


def _auth_function(case):
    case.http["auth"] = _signing(case)


class _Auth(httpx.Auth):
    def __init__(self, sign):
        self._sign = sign

    def auth_flow(self, request):
        yield self._sign(request)


def _auth_class(case):
    case.http["auth"] = _Auth(_signing(case))


def _auth_pair(case):
    case.http["auth"] = (case.rng.choice(("user", "")), case.other.text)
    case.sends(case.other)


def _hook(case):
    case.http["event_hooks"] = {"request": [_signing(case)]}


def _base_url(case):
    secret = quote(case.other.text, safe="")
    user = case.rng.choice((f"user:{secret}", f"{secret}:", f":{secret}", secret))
    case.base = f"https://{user}@gateway.invalid/v1"
    case.sends(case.other)


def _base_url_host(case):
    letters = [one for one in case.own.text.lower() if one.isascii() and one.isalnum()][:60]
    case.base = f"https://{''.join(letters) or 'none'}.invalid/v1"


def _base_url_path(case):
    case.base = f"https://gateway.invalid/{quote(case.own.text, safe='')}"


def _default_query(case):
    case.made["default_query"] = {case.rng.choice(("api_key", "key", "token")): case.own.text}


def _recovered(case):
    case.keys.append(case.other)
    case.source = recovery.function(lambda: case.other.text)


def _recovery_fails(case):
    def look():
        raise RuntimeError(case.own.text)

    case.source = recovery.function(look)


WAYS = {
    "argument": _argument,
    "environment": _environment,
    "argument before a variable": _shadowed,
    "another variable": _lookalike,
    "object": _object,
    "bytes": _bytes,
    "default header": _default_header,
    "another default header": _other_header,
    "extra header": _extra_header,
    "another extra header": _other_extra_header,
    "another scheme": _scheme,
    "TOGETHER_CUSTOM_HEADERS": _custom_headers,
    "copy": _copied,
    "copy with a header": _copied_header,
    "reassigned": _reassigned,
    "function of the HTTP client": _auth_function,
    "class of the HTTP client": _auth_class,
    "user and password of the HTTP client": _auth_pair,
    "request hook": _hook,
    "base_url": _base_url,
    "host of base_url": _base_url_host,
    "path of base_url": _base_url_path,
    "default query": _default_query,
    "recovery": _recovered,
    "recovery that fails": _recovery_fails,
}
"""How a client gets its key, or another one in its place."""
