"""Diagnoses a failure: from a key's report and what happened to the cause and a remedy."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from together_otel.keys.hosts import is_together_host
from together_otel.keys.phrases import fault, setting, state, subject, unset
from together_otel.names import KEY_VARIABLE, KEYS_PAGE, Cause

if TYPE_CHECKING:
    from together_otel.keys.inspection import KeyReport
    from together_otel.keys.reader import Reader

_MISSING_CODE: Final = "missing_api_key"

API: Final = "https://api.together.xyz/v1"
"""The base URL of Together's API, as clients of other providers expect it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a key was refused; it does not contain the key.

    Attributes:
        kind: whether the constructor refused, the key could not be sent in a header, or a server
            refused it.
        sent: whether the Authorization header carried the client's key, another value or nothing.
        override: what replaced or removed the header: one of `OVERRIDES`, or another option's name.
        redirected_from: the host first asked, if a redirect to another host dropped the key.
        host_refused: the host that refused it.
        code: the server's error code.
        from_together: whether anything in the response is Together's; see `is_of_together`.
        has_scheme: whether the header has ``Bearer``, or a login's scheme, before the key.
        sign_in: whether the response asks a user to log in; see `is_sign_in`.
        accepted_before: Unix time at which the host's owner (`owner_of`) last accepted this key.
        extra_hosts: hosts that count as Together's.
    """

    kind: Literal["constructor", "unsendable", "refused"]
    sent: Literal["key", "other", "nothing"] = "key"
    override: str | None = None
    redirected_from: str | None = None
    host_refused: str | None = None
    code: str | None = None
    from_together: bool = True
    sign_in: bool = False
    has_scheme: bool = True
    accepted_before: float | None = None
    extra_hosts: tuple[str, ...] = ()

    @property
    def host_is_together(self) -> bool:
        """Whether the host that refused it is Together's; true where the host is unknown."""
        return self.host_refused is None or is_together_host(self.host_refused, self.extra_hosts)

    @property
    def is_of_gateway(self) -> bool:
        """Whether another host than Together's own refused it, and nothing shows Together's answer."""
        host = self.host_refused
        return not (self.from_together or host is None or is_together_host(host))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The cause of a failure, and a sentence that explains it and how to fix it."""

    cause: Cause
    remedy: str


OVERRIDES: Final = {
    "auth": "correct or remove the auth setting of the request, session or client, which HTTP libraries"
    " turn into an Authorization header",
    "azure": "use OpenAI or AsyncOpenAI instead of AzureOpenAI, which sends its key in the api-key header,"
    " or an Azure token",
    "base_url": "remove the user name and password from base_url, which HTTP libraries turn into an"
    " Authorization header",
    "http_client": "remove the auth of the HTTP client that was passed as http_client",
    "netrc": "remove the host from ~/.netrc, or the file that NETRC names, which requests reads",
    "request_hook": "correct the request hooks of the HTTP client, one of which changes the header",
}
"""What may replace the header, other than an option of a client or call → how to fix it."""


def _any_override(report: KeyReport) -> str:
    reader = report.reader
    *places, last = filter(
        None,
        (
            "default_headers, extra_headers",
            reader.custom_headers,
            "a user name and password in base_url",
            "the HTTP client's auth, request hooks and transport",
            "any client class of your own",
            "with together 1.x ~/.netrc" if reader.is_together else None,
        ),
    )
    return f"check {', '.join(places)}, and {last}"


def diagnose(report: KeyReport, refusal: Refusal) -> Diagnosis:
    """Return the first cause of the contract that fits, with its remedy.

    Args:
        report: the report of the key that was, or should have been, sent.
        refusal: how it was refused.
    """
    if report.format == "other_provider" and refusal.is_of_gateway:
        # A gateway has keys of its own: those of LiteLLM's proxy have OpenAI's prefix.
        report = replace(report, format="unrecognized", shadows=None)
    return (
        _of_the_way(report, refusal)
        or _of_who_refused(report, refusal)
        or _of_no_key(report)
        or _of_a_bad_key(report, refusal)
        or _of_the_server(report, refusal)
    )


def _of_the_way(report: KeyReport, refusal: Refusal) -> Diagnosis | None:
    if refusal.redirected_from is not None:
        return Diagnosis(
            "redirected",
            f"The request to {refusal.redirected_from} was redirected to"
            f" {refusal.host_refused or 'another host'}, and HTTP clients do not send a key on to"
            f" another host: point {report.reader.base_url()} at the final one.",
        )
    if not refusal.has_scheme:
        return Diagnosis(
            "malformed",
            "The Authorization header does not begin with the word Bearer: put the word Bearer, and"
            " a space, before the key.",
        )
    if refusal.sent == "key":
        return _lost(report, refusal)
    if refusal.sent == "nothing" and refusal.override is None and report.presence != "present":
        return None  # there was no key to send, and nothing is known to have removed the header
    what = "that was sent does not hold the client's key"
    if refusal.sent == "nothing":
        what = "is not in the request that was sent"
    how = _any_override(report)
    if refusal.override is not None:
        option = f"remove Authorization from {refusal.override}"
        how = OVERRIDES.get(refusal.override, option)
    return Diagnosis("overridden", f"The Authorization header {what}: {how}.")


def _lost(report: KeyReport, refusal: Refusal) -> Diagnosis | None:
    refused = refusal.kind == "refused" and report.presence == "present"
    if not (refused and refusal.code == _MISSING_CODE):
        return None
    return Diagnosis(
        "header_lost",
        f"{subject(report)} was sent, but {refusal.host_refused or 'the server'} found no key: a"
        f" proxy or gateway on the way removes the Authorization header, and must pass it on.",
    )


def _of_who_refused(report: KeyReport, refusal: Refusal) -> Diagnosis | None:
    if refusal.kind != "refused":
        return None
    host, since = refusal.host_refused, refusal.accepted_before
    is_together = refusal.host_is_together
    if is_together and host is not None and refusal.sign_in:
        return Diagnosis(
            "wrong_endpoint",
            f"A proxy or firewall on the way answered for {host} with a login page: check HTTPS_PROXY"
            f" and how programs reach the internet from this network.",
        )
    if not (is_together or refusal.from_together) and since is None:
        return Diagnosis(
            "wrong_endpoint",
            f"The refusal came from {host}, which is not Together: check"
            f" {' and '.join(('base_url', *report.reader.base_urls))} and any proxy on the way, or"
            f" name a gateway of yours in TOGETHER_OTEL_HOSTS.",
        )
    if since is None:
        return None
    then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since))
    page = f"for {host}" if refusal.is_of_gateway else f"at {KEYS_PAGE}"
    return Diagnosis(
        "revoked",
        f"{subject(report)} was accepted until {then} and is refused now,"
        f" so it was revoked or has expired: make a new key {page} and replace it.",
    )


def _of_no_key(report: KeyReport) -> Diagnosis | None:
    no_key = report.presence != "present" or report.format == "placeholder"
    if no_key and report.lookalike is not None:
        return Diagnosis("wrong_variable", _wrong_variable(report, report.lookalike))
    if report.shadows is not None and (no_key or report.problems or not report.usable):
        remedy = (
            f"{subject(report)} {state(report)} and hides the good key in {report.shadows}:"
            f" drop the argument, or pass it os.environ['{report.shadows}']."
        )
        if report.presence == "missing":
            remedy = f"No key was sent, although {report.shadows} holds one: {_use(report.reader)}."
        return Diagnosis("not_passed", remedy)
    if report.presence == "missing":
        return Diagnosis("missing", _missing(report))
    if report.presence == "empty":
        what = "is empty" if report.length == 0 else "holds only white space"
        return Diagnosis(
            "empty", f"{subject(report)} {what}: {setting(report)} a key from {KEYS_PAGE}."
        )
    return None


def _missing(report: KeyReport) -> str:
    reader = report.reader
    why = "" if reader.is_together else f", as {reader.name} reads {unset(report)}"
    and_then = "or pass api_key to the client"
    if reader.given == "header" or KEY_VARIABLE not in reader.variables:
        and_then = f"and {_use(reader)}"
    return f"No key was found{why}: set {KEY_VARIABLE} to a key from {KEYS_PAGE}, {and_then}."


def _use(reader: Reader) -> str:
    if reader.given == "header":
        return "send it in the Authorization header, after the word Bearer"
    return "pass it as api_key"


def _wrong_variable(report: KeyReport, holder: str) -> str:
    reader = report.reader
    what = f"{subject(report)} {state(report)}"
    if report.source != "argument" and not reader.is_together:
        what = f"{reader.name} reads {unset(report)}"
    is_read = KEY_VARIABLE in reader.variables and reader.given != "header"
    if holder == KEY_VARIABLE or not is_read:
        cure = _use(reader)
        if report.source == "argument":
            cure += f", as {reader.name} reads {reader.listed()}"
    elif report.source == "argument":
        cure = f"drop the argument and rename the variable to {KEY_VARIABLE}"
    else:
        cure = f"rename it to {KEY_VARIABLE}"
        if reader.is_together:
            cure += ", the variable that the SDK reads"
    if "\\" in holder:
        holder += ", whose name has a character that does not belong there,"
    return f"{what}, but {holder} holds a key of Together's shape: {cure}."


def _of_a_bad_key(report: KeyReport, refusal: Refusal) -> Diagnosis | None:
    if report.format == "other_provider":
        return Diagnosis("wrong_provider", _wrong_provider(report))
    # A key of unknown shape may be valid, but not with white space or quotes around it.
    broken = report.format in ("damaged", "placeholder") or report.problems
    if broken or refusal.kind == "unsendable":
        return Diagnosis("malformed", f"{subject(report)} {fault(report)}.")
    return None


def _wrong_provider(report: KeyReport) -> str:
    what, own = f"{subject(report)} is a key of {report.provider}", report.own_variable
    if own == "present":
        return (
            f"{what}, while {KEY_VARIABLE} holds a key of Together's shape: pass that as api_key."
        )
    if own is None or report.source != "environment":
        return f"{what}: {setting(report)} a Together key from {KEYS_PAGE}."
    is_read = KEY_VARIABLE in report.reader.variables
    return (
        f"{what}, and goes to Together because {KEY_VARIABLE} is"
        f" {'unset' if own == 'missing' else 'empty'}: set {KEY_VARIABLE} to a key from"
        f" {KEYS_PAGE}{'' if is_read else ' and pass it as api_key'}."
    )


def sent_elsewhere(report: KeyReport, host: str) -> Diagnosis:
    """Return the diagnosis of a key of Together's shape that another provider refused."""
    return Diagnosis(
        "wrong_endpoint",
        f"{subject(report)} has the shape of a Together key, and was sent to {host}, which is not"
        f" Together: set {report.reader.base_url()} to {API}, or name a gateway of yours in"
        f" TOGETHER_OTEL_HOSTS.",
    )


def _of_the_server(report: KeyReport, refusal: Refusal) -> Diagnosis:
    is_gateway, host = refusal.is_of_gateway, refusal.host_refused
    page = f"the keys of {host}" if is_gateway else KEYS_PAGE
    if report.well_formed:
        who = host if is_gateway or not refusal.host_is_together else "Together"
        return Diagnosis(
            "rejected",
            f"{subject(report)} is well formed, but {who} refuses it and never accepted it in"
            f" this process: compare it with {page}, as it may be mistyped, another account's,"
            f" revoked or expired.",
        )
    return Diagnosis(
        "unknown",
        f"{subject(report)} has none of the shapes of a Together key and was refused: compare it"
        f" with {page}.",
    )
