"""Together is asked, once and not for long, whether it accepts a key."""

from __future__ import annotations

import json
import threading
from contextlib import closing, suppress
from dataclasses import fields, replace
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Final

from together_otel.cli.check.addresses import address_of, installed_sdk
from together_otel.cli.check.answers import ACCEPTED, Answer, judged
from together_otel.cli.check.connection import Connection, refused_by, tls_context
from together_otel.cli.check.outcomes import Live, Trouble
from together_otel.cli.check.proxies import proxy_for
from together_otel.keys import Diagnosis, redact

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Mapping
    from http.client import HTTPResponse

    from together_otel.cli.check.addresses import Address
    from together_otel.cli.check.proxies import Proxy
    from together_otel.keys import KeyReport

LIMIT: Final = 5.0
"""Seconds that it may take from the look-up of the name to the last word of the answer."""

_MOST: Final = 65_536
"""Bytes of a body that are read."""
_PROXY_AUTHENTICATION: Final = 407


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
    address: Address | None = None
    proxy: Proxy | None = None
    try:
        address = address_of(variables, sdk)
        proxy = proxy_for(address, variables)
        context = tls_context(variables, sdk) if address.scheme == "https" else None
        live = judged(
            _answer(key, Connection(address, proxy, limit), context, limit), address, report
        )
    except Trouble as trouble:
        live = Live(trouble.outcome, trouble.detail)
    if address is None:
        return live
    return replace(
        live,
        url=address.url,
        server_address=address.host,
        server_port=address.port,
        proxy=None if proxy is None else str(proxy),
    )


def _answer(
    key: str, connection: Connection, context: ssl.SSLContext | None, limit: float
) -> Answer:
    question = _Question(key, connection, context)
    question.start()
    question.join(limit)
    answer, trouble = question.answer, question.trouble  # before what comes of the close
    # It ends the thread, unless that waits for DNS.
    connection.close()
    if answer is not None:
        return answer
    if trouble is not None:
        raise trouble
    raise Trouble(
        "timeout", f"After {limit:g} s there was no end to waiting for {connection.step}."
    )


class _Question(threading.Thread):
    """One request in a thread of its own: nothing else puts a limit to a look-up of a name."""

    def __init__(self, key: str, connection: Connection, context: ssl.SSLContext | None) -> None:
        super().__init__(name="together-otel-check", daemon=True)
        self.answer: Answer | None = None
        self.trouble: Trouble | None = None
        self._key = key
        self._connection = connection
        self._context = context

    def run(self) -> None:
        """Send it, and keep what comes of it."""
        try:
            self._send(self._connection.open(self._context))
        except Trouble as trouble:
            self.trouble = trouble
        except TimeoutError:
            pass  # the step is told, as it is by whoever gives up
        except (OSError, HTTPException):
            self.trouble = Trouble(
                "connection_lost",
                f"The connection ended while waiting for {self._connection.step}.",
            )
        except Exception as exc:  # noqa: BLE001 - its text may hold the key
            self.trouble = Trouble(
                "unexpected_answer", f"The request could not be made ({type(exc).__name__})."
            )
        finally:
            self._connection.close()

    def _send(self, made: socket.socket) -> None:
        address, proxy = self._connection.address, self._connection.proxy
        client = HTTPConnection(address.host, address.port)
        client.sock = made
        headers = {
            "Host": address.netloc,
            "Authorization": f"Bearer {self._key}",
            "Accept": "application/json",
            "User-Agent": "together-otel",
            "Connection": "close",
        }
        target = address.path
        if proxy is not None and self._context is None:
            target = address.url
            if proxy.authorization:
                headers["Proxy-Authorization"] = proxy.authorization
        client.request("GET", target, headers=headers)
        with closing(client.getresponse()) as response:
            if proxy is not None and response.status == _PROXY_AUTHENTICATION:
                raise refused_by(proxy, address, response.status)
            headers = {name.lower(): text for name, text in response.getheaders()}
            self.answer = Answer(response.status, headers)
            if response.status not in ACCEPTED:  # else it is a list of all models
                # Where it ends too early, the status is known already.
                with suppress(OSError, HTTPException, ValueError):
                    self.answer = replace(self.answer, body=_parsed(_body(response)))


def _body(response: HTTPResponse) -> bytes:
    read = bytearray()
    while len(read) < _MOST and (part := response.read1(_MOST)):
        read += part
    return bytes(read)


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
