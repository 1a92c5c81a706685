"""Checks of a metrics endpoint, which is scraped as Prometheus does."""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from together_otel.cli.doctor.content import Samples, content
from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.testing.fetch import LARGEST, LIMIT, Fetched, TooLarge, fetch, within

_FORMAT = Topic("format")

_OK = 200
_MARK = "\ufeff"
_SCRAPED = "Use the URL that Prometheus scrapes."
_TEXT = "text/plain"
_OPENMETRICS = "application/openmetrics-text"


class CannotRead(Exception):  # noqa: N818 - the name says what happened
    """The URL serves no metrics. ``finding`` says why."""

    def __init__(self, text: str, fix: str) -> None:
        super().__init__(text)
        self.finding: Finding = Topic("endpoint").problem(text, fix)


def look_at(url: str) -> Iterable[Finding]:
    """Return the findings about an endpoint. Raises `CannotRead` if it has no metrics."""
    deadline = time.monotonic() + LIMIT
    answer, samples = _read(url, deadline)
    return (*_format(answer), *_openmetrics(url, deadline), *content(samples))


def read(url: str) -> Samples:
    """Return the samples of a scrape. Raises `CannotRead` if there are none."""
    return _read(url, time.monotonic() + LIMIT)[1]


def _read(url: str, deadline: float) -> tuple[Fetched, Samples]:
    answer = _fetch(url, _TEXT, deadline)
    samples = _samples(url, answer, text_string_to_metric_families, deadline)
    if not samples:
        raise CannotRead(
            f"{_shown(url)} answers with {answer.kind or 'no content type'}, which does not contain"
            " metrics.",
            "Use the URL that Prometheus scrapes, which usually ends in /metrics.",
        )
    return answer, samples


def _shown(url: str) -> str:
    """Return a URL without user name, password, query and fragment."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _fetch(url: str, accept: str, deadline: float) -> Fetched:
    shown = _shown(url)
    try:
        found = fetch(url, accept=accept, limit=deadline - time.monotonic())
    except Exception as exc:  # noqa: BLE001 - any error means that the endpoint cannot be read
        raise _unread(shown, exc) from None
    if found.status != _OK:
        reason = "".join(one for one in found.reason if one.isprintable())
        raise CannotRead(
            f"{shown} answers HTTP {found.status} {reason}.",
            "Use the URL that Prometheus scrapes, with user name and password if needed.",
        )
    return found


def _unread(url: str, exc: Exception) -> CannotRead:
    why = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or type(exc).__name__
    text, fix = f"{url} cannot be read ({why}): it does not answer with HTTP.", _SCRAPED
    match exc:
        case TimeoutError():
            text = f"{url} did not answer within {LIMIT:g} s."
            fix = "Check whether the process is stuck, or a firewall drops packets to it."
        case ConnectionRefusedError():
            text = f"{url} refuses the connection: nothing listens there."
            fix = (
                "Run together-otel doctor in the application's environment: it reports the port and"
                " address."
            )
        case socket.gaierror() | UnicodeError():
            text = f"{url}: the host name cannot be resolved."
            fix = "Correct the host name, or run this where it can be resolved."
        case ssl.SSLError():
            text, fix = f"{url}: TLS failed ({why}).", "Try http instead of https."
        case TooLarge():
            text = (
                f"{url} answers with more than {LARGEST >> 20} MiB, which is too large for metrics."
            )
    return CannotRead(text, fix)


def _samples(
    url: str, answer: Fetched, parse: Callable[[str], Iterable[Family]], deadline: float
) -> Samples:
    """Return the samples in a response; ``{}`` if it is not in a format of metrics."""

    def read() -> Samples:
        found: Samples = {}
        for family in parse(answer.text.removeprefix(_MARK)):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    try:
        return within(deadline - time.monotonic(), read)
    except TimeoutError:
        raise CannotRead(
            f"{_shown(url)} answers with text that cannot be parsed within {LIMIT:g} s.", _SCRAPED
        ) from None
    except Exception:  # noqa: BLE001 - the parser may raise anything for other text
        return {}


def _format(answer: Fetched) -> Iterator[Finding]:
    """Check the content type and the start of the text."""
    if answer.kind not in {_TEXT, _OPENMETRICS}:
        yield Topic("content type").warning(
            f"The content type is {answer.kind or 'missing'}: Prometheus 3 does not accept it.",
            "Serve it as text/plain; version=0.0.4, or set fallback_scrape_protocol in the job.",
        )
    if answer.text.startswith(_MARK):
        yield _FORMAT.problem(
            "The text starts with a byte-order mark, which Prometheus takes as part of a"
            " metric's name: the scrape fails.",
            "Serve it as UTF-8 without one.",
        )


def _openmetrics(url: str, deadline: float) -> Iterator[Finding]:
    """Check OpenMetrics, the format that Prometheus prefers."""
    try:
        modern = _fetch(url, f"{_OPENMETRICS}; version=1.0.0", deadline)
        kind, samples = modern.kind, _samples(url, modern, openmetrics_families, deadline)
    except CannotRead:
        kind, samples = "", {}
    if kind != _OPENMETRICS:
        yield _FORMAT.ok("The endpoint serves the text format, without exemplars.")
    elif samples:
        yield _FORMAT.ok("The endpoint serves OpenMetrics, which Prometheus prefers.")
    else:
        yield _FORMAT.problem(
            "If asked for OpenMetrics, as Prometheus does, the endpoint answers with text that cannot"
            " be parsed: the scrape fails.",
            "Set scrape_protocols: [PrometheusText0.0.4] in the job, and report it to the owner of the"
            " endpoint.",
        )
