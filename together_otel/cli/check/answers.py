"""Interpretation of an HTTP response to a request with the key."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urljoin, urlsplit

from together_otel.cli.check.addresses import Address
from together_otel.cli.check.outcomes import LiveResult
from together_otel.clients.addresses import port_of
from together_otel.clients.failures import auth_kind, error_code
from together_otel.keys import KeyReport, Refusal, diagnose
from together_otel.keys.hosts import is_of_together, is_sign_in, is_together_host

_REDIRECTS: Final = (301, 302, 303, 307, 308)
ACCEPTED: Final = range(200, 300)
_OUTCOMES: Final = {
    402: "payment_required",
    403: "forbidden",
    404: "wrong_base_url",
    405: "wrong_base_url",
    410: "wrong_base_url",
    429: "rate_limited",
}
_SERVER_ERROR: Final = 500
_LONGEST: Final = 200
"""Maximum length of a server's text in characters."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response: headers by lower-case name, and the body if it is JSON."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: object = field(default=None, repr=False)


def interpret(answer: Answer, address: Address, report: KeyReport) -> LiveResult:
    """Return the result for a key, given the response of the address that it was sent to."""
    live = _interpret(answer, address, report)
    identifier = answer.headers.get("x-request-id")
    return replace(
        live, status_code=answer.status, request_id=identifier and _printable(identifier)
    )


def _interpret(answer: Answer, address: Address, report: KeyReport) -> LiveResult:
    status, host = answer.status, address.host
    if auth_kind(status, error_code(answer.body)):
        refusal = Refusal(
            "refused",
            host_refused=host,
            code=error_code(answer.body),
            from_together=is_of_together(answer.headers, str(answer.body)),
            sign_in=is_sign_in(
                answer.headers.get("content-type"), answer.headers.get("www-authenticate")
            ),
        )
        return LiveResult("refused", f"{host} refuses the key.", diagnose(report, refusal))
    if status in _REDIRECTS:
        return _redirected(answer, address, report)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = kind == "application/json" or kind.endswith("+json")
    if status in ACCEPTED:
        if is_json:
            whose = "" if is_together_host(host) else " It is not one of Together's hosts."
            return LiveResult("accepted", f"{host} accepts the key.{whose}")
        what = f"with {_printable(kind)}" if kind else "without a type"
        return LiveResult(
            "wrong_base_url",
            f"{host} answered {status} {what} instead of JSON, so it is not an API. {address.wrong_path}",
        )
    other = "server_error" if status >= _SERVER_ERROR else "unexpected_answer"
    outcome = _OUTCOMES.get(status, other)
    if outcome == "wrong_base_url":
        detail = f"{host} has nothing at {address.path}. {address.wrong_path}"
        return LiveResult(outcome, detail.strip())
    return LiveResult(outcome, f"{host} answered {status}{_said(answer.body)}.")


def _redirected(answer: Answer, address: Address, report: KeyReport) -> LiveResult:
    host = address.host
    try:
        to = urlsplit(urljoin(address.url, answer.headers.get("location", "")))
        there, port = (to.hostname or "").rstrip("."), port_of(to)
    except ValueError:
        there, port = "", None
    there = _printable(there)
    if not there or port is None:
        return LiveResult("unexpected_answer", f"{host} redirects to an invalid address.")
    # As in httpx and requests: a redirect keeps the key within an origin and from http to https.
    upgrade = (address.scheme, address.port, to.scheme, port) == ("http", 80, "https", 443)
    same = (address.scheme, address.port) == (to.scheme, port)
    if there == host and (same or upgrade):
        return LiveResult(
            "wrong_base_url",
            f"{host} redirects to another address of its own ({to.scheme}, port {port}): requests"
            f" other than GET may fail.",
        )
    if there == host:
        there = f"{there}:{port}"
    refusal = Refusal("refused", redirected_from=host, host_refused=there)
    return LiveResult(
        "redirected",
        f"{host} redirects to {there}; nothing was sent there.",
        diagnose(report, refusal),
    )


def _said(body: object) -> str:
    inner = body.get("error", body) if isinstance(body, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    if not isinstance(message, str) or not message:
        return ""
    return f": {_printable(message).rstrip('.')}"


def _printable(text: str) -> str:
    """Return a server's text as one line, without terminal escape sequences."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
