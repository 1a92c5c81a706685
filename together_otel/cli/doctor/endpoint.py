"""A live endpoint, fetched as Prometheus does, and what is missing from it."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from together_otel.cli.doctor.content import Samples, content
from together_otel.cli.doctor.finding import Finding, ok, problem, warning
from together_otel.clients.addresses import basic_authorization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.metrics_core import Metric as Family

LIMIT = 5.0
"""Seconds that an answer may take."""

_OK = 200
_LARGEST = 32 * 1024 * 1024
_CHUNK = 65_536
_TEXT = "text/plain"
_OPENMETRICS = "application/openmetrics-text"


class CannotRead(Exception):  # noqa: N818 - it says what is so
    """There is no exposition at the URL; ``finding`` says why."""

    def __init__(self, about: str, text: str, cure: str) -> None:
        super().__init__(text)
        self.finding = problem(about, text, cure)


class _Answer(NamedTuple):
    kind: str
    """Its media type, without parameters."""
    text: str


def look_at(url: str) -> Iterable[Finding]:
    """Return what is found at a URL.

    Raises:
        CannotRead: when nothing answers, or what answers is no exposition.
    """
    answer, samples = _read(url)
    return (*_types(url, answer), *content(samples))


def read(url: str) -> Samples:
    """Return the samples of a scrape.

    Raises:
        CannotRead: when nothing answers, or what answers is no exposition.
    """
    return _read(url)[1]


def _read(url: str) -> tuple[_Answer, Samples]:
    answer = _fetch(url, _TEXT)
    samples = _samples(answer, text_string_to_metric_families)
    if not samples:
        raise CannotRead(
            "endpoint",
            f"{_shown(url)} answers with {answer.kind or 'no content type'}, which is no exposition"
            " of metrics.",
            "Give the URL that Prometheus scrapes, which usually ends in /metrics.",
        )
    return answer, samples


def _shown(url: str) -> str:
    """Return a URL without the password and the query that it may have."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _fetch(url: str, accept: str) -> _Answer:
    # Not urllib: it would ask the environment's proxy, and Prometheus does not.
    parts = urlsplit(url)
    deadline = time.monotonic() + LIMIT
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=LIMIT)
    shown = _shown(url)
    try:
        path = parts._replace(scheme="", netloc="", fragment="").geturl()
        headers = {"Accept": accept}
        if authorization := basic_authorization(parts):
            headers["Authorization"] = authorization
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        if response.status != _OK:
            raise CannotRead(
                "endpoint",
                f"{shown} answers HTTP {response.status} {response.reason}.",
                "Give the URL, and user and password if need be, that Prometheus scrapes.",
            )
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return _Answer(kind, _body(response, deadline).decode("utf-8", "replace"))
    except TimeoutError:
        raise CannotRead(
            "endpoint",
            f"{shown} did not answer within {LIMIT:g} s.",
            "See whether the process is stuck, or a firewall drops what is sent to it.",
        ) from None
    except ConnectionRefusedError:
        raise CannotRead(
            "endpoint",
            f"{shown} refuses the connection: nothing listens there.",
            "Run together-otel doctor in the application's environment: it tells which port is"
            " served, and on which address.",
        ) from None
    except socket.gaierror:
        raise CannotRead(
            "endpoint",
            f"{shown}: the name of that host is not known here.",
            "Correct the host, or run this where the name is known.",
        ) from None
    except ssl.SSLError as exc:
        raise CannotRead(
            "endpoint", f"{shown}: TLS failed ({exc.reason}).", "Try http in place of https."
        ) from None
    except (OSError, http.client.HTTPException) as exc:
        why = getattr(exc, "strerror", None) or type(exc).__name__
        raise CannotRead(
            "endpoint",
            f"{shown} cannot be read ({why}): it does not answer as an HTTP server does.",
            "Give the URL that Prometheus scrapes.",
        ) from None
    finally:
        connection.close()


def _body(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """Read a body, but not for ever: an endpoint that trickles is as good as silent."""
    body = b""
    while chunk := response.read1(_CHUNK):
        body += chunk
        if time.monotonic() > deadline:
            raise TimeoutError
        if len(body) > _LARGEST:
            raise http.client.HTTPException
    return body


def _samples(answer: _Answer, parse: Callable[[str], Iterable[Family]]) -> Samples:
    found: Samples = {}
    try:
        for family in parse(answer.text):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
    except (ValueError, KeyError, IndexError, TypeError):  # as the parser meets other text
        return {}
    return found


def _types(url: str, answer: _Answer) -> Iterator[Finding]:
    """Look at the content type, and at the format that Prometheus would rather have."""
    if answer.kind not in {_TEXT, _OPENMETRICS}:
        yield warning(
            "content type",
            f"The exposition is labelled {answer.kind or 'with no content type'}: Prometheus 3"
            " does not take it.",
            "Serve it as text/plain; version=0.0.4, or set fallback_scrape_protocol in the job.",
        )
    try:
        modern = _fetch(url, f"{_OPENMETRICS}; version=1.0.0")
    except CannotRead:
        modern = _Answer("", "")
    if modern.kind != _OPENMETRICS:
        yield ok("format", "The endpoint speaks the text format, without exemplars.")
    elif _samples(modern, openmetrics_families):
        yield ok("format", "The endpoint speaks OpenMetrics, which Prometheus asks for.")
    else:
        yield problem(
            "format",
            "Asked for OpenMetrics, as Prometheus does, the endpoint answers with what does not"
            " parse: the scrape fails.",
            "Set scrape_protocols: [PrometheusText0.0.4] in the job, and report it to whoever"
            " serves the endpoint.",
        )
