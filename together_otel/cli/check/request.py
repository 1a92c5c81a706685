"""Together is asked, once and not for long, whether it accepts a key."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

import httpx

from together_otel.cli.check.addresses import address_of, installed_sdk
from together_otel.cli.check.answers import judged
from together_otel.cli.check.client import make_client
from together_otel.cli.check.outcomes import Live, Trouble
from together_otel.cli.check.question import Question
from together_otel.keys import Diagnosis, redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.keys import KeyReport

LIMIT: Final = 5.0
"""Seconds that it may take from the look-up of the name to the last word of the answer."""


def ask(key: str, report: KeyReport, variables: Mapping[str, str], *, limit: float = LIMIT) -> Live:
    """Ask once; raise nothing.

    Args:
        key: the key; it is sent as it is.
        report: what it looks like.
        variables: environment variables: TOGETHER_BASE_URL and those of proxies and certificates.
        limit: seconds.
    """
    found = _asked(key, report, variables, limit)
    # An address may be the key, pasted into the wrong variable, and a server may say it again.
    told: dict[str, Any] = {
        one.name: redact(text, (key,))
        for one in fields(found)
        if one.name != "outcome" and isinstance(text := getattr(found, one.name), str)
    }
    if (why := found.diagnosis) is not None:
        told["diagnosis"] = Diagnosis(why.cause, redact(why.remedy, (key,)))
    return replace(found, **told)


def _asked(key: str, report: KeyReport, variables: Mapping[str, str], limit: float) -> Live:
    sdk = installed_sdk()
    question: Question | None = None
    try:
        address = address_of(variables, sdk)
    except Trouble as trouble:
        return Live(trouble.outcome, trouble.detail)
    try:
        url = httpx.URL(address.url)
        question = Question(make_client(variables, sdk, limit), url, key, variables)
        live = judged(question.answer_within(limit), address, report)
    except Trouble as trouble:
        live = Live(trouble.outcome, trouble.detail)
    except httpx.InvalidURL:
        detail = f"The name {address.host} was not found: it is no name of a host."
        live = Live("dns_failure", detail)
    proxy = None if question is None else question.proxy
    return replace(
        live,
        url=address.url,
        server_address=address.host,
        server_port=address.port,
        proxy=None if proxy is None else str(proxy),
    )
