"""The ways in which programs write a key: escaped, encoded, or as it is."""

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote_plus

from together_otel.keys.formats import PUBLIC_PREFIX


def writings(key: str) -> Iterator[str]:
    """Yield the texts by which a key may be written, in any case of their letters.

    The public prefix is left out where it can be: hiding it would hide what kind of key it is.
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
        # Inside a longer text base64 starts at any of three offsets.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(offset) + data).decode()


def _read_wrongly(text: str) -> Iterator[str]:
    """Yield what becomes of a text where one writes UTF-8 and the other reads Latin-1."""
    if not text.isascii():
        for written, read in (("latin-1", "utf-8"), ("utf-8", "latin-1")):
            with suppress(UnicodeError):
                yield text.encode(written).decode(read)


def _escaped(text: str) -> Iterator[str]:
    import html  # noqa: PLC0415 - it loads all names of HTML's entities

    data = text.encode(errors="surrogatepass")
    yield text
    yield text.replace("-", "_")  # as names of headers are written in those of attributes
    for source in (repr(text), ascii(text), json.dumps(text), json.dumps(text, ensure_ascii=False)):
        yield source[1:-1]
        # As a document within another has it, and where that is printed.
        yield json.dumps(source[1:-1], ensure_ascii=False)[1:-1]
        yield source[1:-1].replace("\\", "\\\\")
    # Inside a longer text a quote is escaped, or not, by what else is in it.
    yield text.replace("\\", "\\\\").replace("'", "\\'")
    yield json.dumps(text)[1:-1].replace("/", "\\/")
    yield quote_plus(data)
    yield quote_plus(data).replace("+", "%20")
    yield html.escape(text)
    yield html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
