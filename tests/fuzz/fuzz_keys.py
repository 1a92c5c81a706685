"""Keys of every shape, and the ways in which programs write them; all of a seed."""

import base64
import html
import json
import string
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

_WORDY = string.ascii_letters + string.digits
_URL_SAFE = _WORDY + "-_"
_HEX = "0123456789abcdef"
_SIGNS = "-_.~+/=:@!"
_ODD = "\"'\\&<>%$#{}é\u00df\u0416\u200b"
_PUBLIC = "tgp_" + "v1_"
_MASKED_FROM = 20


@dataclass(frozen=True)
class Key:
    """A key that nobody owns.

    Attributes:
        shape: which of `SHAPES` it is.
        text: as a client is given it.
        core: its part that must not be seen; the rest is public, or is what damages it.
    """

    shape: str
    text: str
    core: str


def _text(rng, letters, length):
    return "".join(rng.choices(letters, k=length))


def _v1(rng):
    return _text(rng, _URL_SAFE, 43)


def _with(front, letters, shortest, longest):
    def make(rng):
        core = _text(rng, letters, rng.randint(shortest, longest))
        return front + core, core

    return make


def _around(front, end):
    def make(rng):
        core = _v1(rng)
        return f"{front}{_PUBLIC}{core}{end}", core

    return make


def _inside(piece):
    def make(rng):
        first, last = _v1(rng)[:21], _v1(rng)[:22]
        return f"{_PUBLIC}{first}{piece}{last}", f"{first}{piece}{last}"

    return make


def _token(rng):
    parts = [
        base64.urlsafe_b64encode(data).decode().rstrip("=")
        for data in (b'{"alg":"HS256"}', _text(rng, _WORDY, 30).encode(), rng.randbytes(20))
    ]
    return ".".join(parts), ".".join(parts[1:])


def _encoded(rng):
    core = base64.b64encode((_PUBLIC + _v1(rng)).encode()).decode()
    return core, core[12:]


def _document(rng):
    core = _v1(rng)
    return json.dumps({"TOGETHER_API_KEY": _PUBLIC + core}), core


SHAPES = {
    "tgp_v1": _with(_PUBLIC, _URL_SAFE, 43, 43),
    "legacy hex": _with("", _HEX, 64, 64),
    "OpenAI's": _with("sk-" + "proj-", _URL_SAFE, 40, 120),
    "Anthropic's": _with("sk-" + "ant-", _URL_SAFE, 80, 100),
    "Groq's": _with("gsk" + "_", _WORDY, 52, 52),
    "Hugging Face's": _with("hf" + "_", _WORDY, 34, 34),
    "opaque": _with("", _WORDY, 20, 64),
    "opaque, long": _with("", _WORDY, 100, 600),
    "opaque, small": _with("", string.ascii_lowercase, 24, 40),
    "opaque, signs": _with("k", _WORDY + _SIGNS, 20, 48),
    "opaque, odd": _with("k", _WORDY + _SIGNS + _ODD, 24, 48),
    "short": _with("", _WORDY, 8, 19),
    "word": _with("q", _WORDY, 5, 6),
    "JWT": _token,
    "damaged, short": _with(_PUBLIC, _URL_SAFE, 30, 42),
    "damaged, long": _with(_PUBLIC, _URL_SAFE, 44, 60),
    "capitals": _with(_PUBLIC.upper(), string.ascii_uppercase + string.digits, 43, 43),
    "newline": _around("", "\n"),
    "spaces": _around(" \t", " "),
    "quoted": _around('"', '"'),
    "bearer": _around("Bearer ", ""),
    "assignment": _around("TOGETHER_API_KEY=", ""),
    "in brackets": _around("<", ">"),
    "inner newline": _inside("\n"),
    "inner space": _inside(" "),
    "inner return": _inside("\r\n"),
    "zero width": _inside("\u200b"),
    "accent": _inside("é"),
    "NUL": _inside("\0"),
    "base64": _encoded,
    "document": _document,
}


def make_key(rng, shape=None):
    """Make a key, of any shape by default."""
    shape = shape or rng.choice(list(SHAPES))
    text, core = SHAPES[shape](rng)
    return Key(shape, text, core)


def _masked(key, mask):
    # As OpenAI does: the first 8 and the last 4. Shorter ones would show what no rule forbids.
    key = key.strip()
    return f"{key[:8]}{mask}{key[-4:]}" if len(key) >= _MASKED_FROM else key


def _b64(key):
    return base64.b64encode(key.encode("utf-8", "surrogatepass")).decode()


WRITINGS = {
    "as is": str,
    "stripped": str.strip,
    "upper": str.upper,
    "lower": str.lower,
    "swapped": str.swapcase,
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda key: repr(key.encode()),
    "JSON": json.dumps,
    "JSON, not ASCII": lambda key: json.dumps({"token": key}, ensure_ascii=False),
    "JSON with slashes": lambda key: json.dumps(key).replace("/", "\\/"),
    "HTML": html.escape,
    "HTML by numbers": lambda key: (
        html.escape(key).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    ),
    "HTML, quotes left": lambda key: html.escape(key, quote=False),
    "percent": lambda key: quote(key, safe=""),
    "percent, slashes left": quote,
    "percent, small": lambda key: quote(key, safe="").lower(),
    "plus": quote_plus,
    "base64": _b64,
    "base64 of bearer": lambda key: _b64(f"Bearer {key}"),
    "base64 of user": lambda key: _b64(f"user:{key}"),
    "base64 after one": lambda key: _b64(f":{key}"),
    "base64 in the middle": lambda key: _b64(f"ab{key}, and more"),
    "base64 for URLs": lambda key: (
        base64.urlsafe_b64encode(f"u:{key}".encode()).decode().rstrip("=")
    ),
    "base64 in lines": lambda key: base64.encodebytes(key.encode()).decode(),
    "hex": lambda key: key.encode().hex(),
    "in eights": lambda key: " ".join(key[at : at + 8] for at in range(0, len(key), 8)),
    "in lines of eight": lambda key: "\n".join(key[at : at + 8] for at in range(0, len(key), 8)),
    "first half": lambda key: key[: max(8, len(key) // 2)],
    "last half": lambda key: key[-max(8, len(key) // 2) :],
    "shortened": lambda key: key[:32] + "...",
    "masked": lambda key: _masked(key, "*" * 17),
    "masked, all": lambda key: _masked(key, "*" * max(0, len(key) - 12)),
    "masked by dots": lambda key: _masked(key, "..."),
    "masked by one": lambda key: _masked(key, "\u2026"),
    "masked by bullets": lambda key: _masked(key, "\u2022" * 8),
    "bearer": lambda key: f"Bearer {key}",
    "bearer, percent": lambda key: quote(f"Bearer {key}"),
    "bearer, small": lambda key: f"bearer\t{key}",
    "bearer behind": lambda key: f"{key} Bearer",
    "header": lambda key: f"Authorization: Bearer {key}",
    "headers": lambda key: repr({"Authorization": f"Bearer {key}", "x-api-key": key}),
    "headers in JSON": lambda key: json.dumps(json.dumps({"Authorization": f"Bearer {key}"})),
    "header's name": lambda key: key.lower().replace("-", "_"),
    "curl": lambda key: f"curl -H 'Authorization: Bearer {key}' https://api.invalid",
    "URL": lambda key: f"https://user:{quote(key, safe='')}@host.invalid/v1",
    "URL's user": lambda key: f"https://{quote(key, safe='')}@host.invalid/v1",
    "query": lambda key: f"https://host.invalid/v1?api_key={quote_plus(key)}&x=1",
    "argument": lambda key: f"Together(api_key={key!r})",
    "assignment": lambda key: f"TOGETHER_API_KEY={key}",
    "twice": lambda key: f"{key}{key}",
    "in a sentence": lambda key: f"Incorrect API key provided: {key}. You can find it elsewhere.",
    "between letters": lambda key: f"x{key}x",
}
"""How a key gets into a text."""


def write_key(rng, key):
    """Write a key in any way; return which, and the text."""
    # What is shorter than eight characters is promised as a word of its own only.
    name = "as is" if len(key.core) < 8 else rng.choice(list(WRITINGS))
    if key.shape == "word" and rng.random() < 0.5:
        return "bearer", f"Bearer {key.text}"
    return name, WRITINGS[name](key.text)
