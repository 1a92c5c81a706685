"""The forms in which programs write a key: plain, escaped or encoded."""

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote_plus

from together_otel.keys.formats import PUBLIC_PREFIX


def writings(key: str) -> Iterator[str]:
    """Yield the texts that a key may be written as, to be compared without regard to case.

    The public prefix is left out where possible: hiding it would hide the kind of key.
    """
    bare = key.strip().removeprefix(PUBLIC_PREFIX)
    for read in {bare, *_read_wrongly(bare)}:
        for text in {read, read.lower(), read.upper()}:
            yield from _escaped(text)
    for read in {key, *_read_wrongly(key)}:
        yield from _encoded(read.encode(errors="surrogatepass"))


def _encoded(data: bytes) -> Iterator[str]:
    yield data.hex()
    for offset in range(3):
        # Within longer data the key starts at one of three offsets of the base64 encoding.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(offset) + data).decode()


def _read_wrongly(text: str) -> Iterator[str]:
    """Yield a text as garbled by confusing UTF-8 with Latin-1."""
    if not text.isascii():
        for written, read in (("latin-1", "utf-8"), ("utf-8", "latin-1")):
            with suppress(UnicodeError):
                yield text.encode(written).decode(read)


def _escaped(text: str) -> Iterator[str]:
    import html  # noqa: PLC0415 - it loads all names of HTML's entities

    data = text.encode(errors="surrogatepass")
    yield text
    yield text.replace("-", "_")  # as in attributes that are named after headers
    for source in (repr(text), ascii(text), json.dumps(text), json.dumps(text, ensure_ascii=False)):
        yield source[1:-1]
        # As JSON within JSON, and as its repr.
        yield json.dumps(source[1:-1], ensure_ascii=False)[1:-1]
        yield source[1:-1].replace("\\", "\\\\")
    # repr escapes a quote, or does not, depending on the rest of the text.
    yield text.replace("\\", "\\\\").replace("'", "\\'")
    yield json.dumps(text)[1:-1].replace("/", "\\/")
    yield quote_plus(data)
    yield quote_plus(data).replace("+", "%20")
    yield html.escape(text)
    yield html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
