"""Ask Together once, within a time limit, whether it accepts a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

import httpx

from together_otel.cli.check.addresses import address_of, installed_sdk
from together_otel.cli.check.answers import interpret
from together_otel.cli.check.client import make_client
from together_otel.cli.check.outcomes import LiveResult, NoAnswer
from together_otel.cli.check.traced_request import TracedRequest
from together_otel.keys import Diagnosis, KeyReport, redact

LIMIT: Final = 5.0
"""Seconds for the whole request, from the DNS lookup to the last byte of the answer."""


def ask(
    key: str, report: KeyReport, variables: Mapping[str, str], *, limit: float = LIMIT
) -> LiveResult:
    """Ask once; never raises.

    Args:
        key: the key; it is sent as it is.
        report: what it looks like.
        variables: environment variables: the client's base URL and those of proxies and
            certificates.
        limit: seconds.
    """
    found = _asked(key, report, variables, limit)
    # The key may have been pasted into the URL's variable, and a server may echo it.
    redacted: dict[str, Any] = {
        one.name: redact(text, (key,))
        for one in fields(found)
        if one.name != "outcome" and isinstance(text := getattr(found, one.name), str)
    }
    if (why := found.diagnosis) is not None:
        redacted["diagnosis"] = Diagnosis(why.cause, redact(why.remedy, (key,)))
    redacted["base_url"] = (*report.reader.base_urls, "base_url")[0]
    return replace(found, **redacted)


def _asked(key: str, report: KeyReport, variables: Mapping[str, str], limit: float) -> LiveResult:
    sdk = installed_sdk()
    request: TracedRequest | None = None
    try:
        address = address_of(variables, sdk, report.reader)
    except NoAnswer as failure:
        return LiveResult(failure.outcome, failure.detail)
    try:
        url = httpx.URL(address.url)
        request = TracedRequest(make_client(variables, sdk, limit), url, key, variables)
        live = interpret(request.send(limit), address, report)
    except NoAnswer as failure:
        live = LiveResult(failure.outcome, failure.detail)
    except httpx.InvalidURL:
        detail = f"The host name {address.host} cannot be resolved: it is not valid."
        live = LiveResult("dns_failure", detail)
    proxy = None if request is None else request.proxy
    return replace(
        live,
        url=address.url,
        server_address=address.host,
        server_port=address.port,
        proxy=None if proxy is None else str(proxy),
    )
