"""Outcomes of a live check, and their remedies."""

from dataclasses import dataclass
from typing import Final

from together_otel.keys import Diagnosis

REMEDIES: Final = {
    **dict.fromkeys(("accepted", "refused", "redirected", "not_sent"), ""),
    "wrong_base_url": "Correct TOGETHER_BASE_URL, or unset it for Together's own address.",
    "forbidden": "Ask the operator of the server that answered: Together's 403 is not about the key.",
    "payment_required": "Check the account's limits and credit.",
    "rate_limited": "Try again in a minute.",
    "server_error": "Try again in a minute, and check Together's status page.",
    "unexpected_answer": "Check TOGETHER_BASE_URL, and any proxy or gateway between this machine and Together.",
    "dns_failure": "Check the name, and whether DNS works here: network policies often block it.",
    "connection_refused": "Check host and port of TOGETHER_BASE_URL, and that its server runs.",
    "no_network": "Check this machine's network, its firewall, and whether it needs a proxy"
    " (HTTPS_PROXY).",
    "connection_lost": "Try again; if it persists, look for a proxy or firewall that closes connections.",
    "tls_failure": "Check the clock, and https in TOGETHER_BASE_URL. If a proxy inspects"
    " TLS, set SSL_CERT_FILE to a file with its certificate"
    " (REQUESTS_CA_BUNDLE for together 1.x).",
    "timeout": "Check whether a firewall drops packets to it, and whether a proxy is needed"
    " (HTTPS_PROXY).",
    "proxy_unreachable": "Correct the variable, or add the host to NO_PROXY if no proxy is needed.",
    "proxy_refused": "Correct the user name and password in the variable, or allow this host in the"
    " proxy.",
    "proxy_unsupported": "Install the package, or use a proxy of another kind.",
}
"""Remedies of all outcomes; empty if there is none, or if the remedy is in a `Diagnosis`."""


class NoAnswer(Exception):  # noqa: N818 - the name says what happened
    """No response was received: the outcome, and a sentence that says why, without keys."""


@dataclass(frozen=True, slots=True)
class LiveResult:
    """The result of a live check.

    ``outcome`` is a key of `REMEDIES` and ``detail`` the same as a sentence. The URL has no user
    name and password. ``proxy`` names the variable that sets it as well.
    """

    outcome: str
    detail: str
    diagnosis: Diagnosis | None = None
    url: str | None = None
    server_address: str | None = None
    server_port: int | None = None
    proxy: str | None = None
    status_code: int | None = None
    request_id: str | None = None
    base_url: str = "TOGETHER_BASE_URL"

    @property
    def accepted(self) -> bool | None:
        """Whether the key works; ``None`` if unknown."""
        if self.outcome == "accepted":
            return True
        return False if self.diagnosis is not None or self.outcome == "not_sent" else None

    @property
    def remedy(self) -> str | None:
        """How to fix it, in one sentence, or ``None``."""
        if self.diagnosis:
            return self.diagnosis.remedy
        return REMEDIES[self.outcome].replace("TOGETHER_BASE_URL", self.base_url) or None
