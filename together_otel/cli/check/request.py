"""Send one request with a key, with a timeout, and report at which step it failed."""

import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import httpx

from together_otel.cli.check.addresses import address_of, installed_sdk
from together_otel.cli.check.answers import ACCEPTED, Answer, interpret
from together_otel.cli.check.client import make_client, parsed, proxy_at
from together_otel.cli.check.outcomes import LiveResult, NoAnswer
from together_otel.clients.addresses import in_url, port_of
from together_otel.keys import KeyReport
from together_otel.testing.fetch import within

LIMIT: Final = 5.0
"""Timeout of the whole request in seconds, from the DNS lookup to the last byte."""
_MOST: Final = 65_536
"""Maximum number of bytes to read of a body."""
_PROXY_AUTHENTICATION: Final = 407
_REFUSALS: Final = {
    403: " because it does not allow this host",
    407: " because it needs a user name and password, or other ones",
    **dict.fromkeys((502, 503, 504), " because it cannot reach this host"),
}

Step = Literal["its start", "a connection to", "the proxy", "TLS with", "an answer from"]


def ask(
    key: str, report: KeyReport, variables: Mapping[str, str], *, limit: float = LIMIT
) -> LiveResult:
    """Send one request with the key unchanged and return the result. Never raises."""
    sdk, reader = installed_sdk(), report.reader
    sent: dict[str, Any] = {"base_url": (*reader.base_urls, "base_url")[0]}
    request: TracedRequest | None = None
    try:
        address = address_of(variables, sdk, reader)
        sent |= {"url": address.url, "server_address": address.host, "server_port": address.port}
        client, url = make_client(variables, sdk, limit), parsed(address)
        request = TracedRequest(client, url, key, variables)
        live = interpret(request.send(limit), address, report)
    except NoAnswer as failure:
        live = LiveResult(*failure.args)
    return replace(live, **sent, proxy=None if request is None else request.proxy)


@dataclass(eq=False, repr=False)
class TracedRequest:
    """A GET request that keeps track of the step it waits for, and of the proxy in use."""

    _client: httpx.Client
    _url: httpx.URL
    _key: str
    _variables: Mapping[str, str]
    proxy: str | None = None
    _answer: Answer | None = None
    _step: tuple[Step, str] = ("its start", "")
    _stream: Any = None
    _socket: socket.socket | None = None
    _ended: bool = False

    def send(self, limit: float) -> Answer:
        """Send the request; return the response. Raises `NoAnswer` if there is none."""
        failure: NoAnswer | None = None
        try:
            within(limit, self._send)
        except (httpx.TimeoutException, TimeoutError):
            pass  # reported below with the step
        except NoAnswer as exc:
            failure = exc
        except Exception as exc:  # noqa: BLE001 - its message may contain the key
            failure = self._meaning(exc)
        answer = self._answer
        self._end()
        if answer is not None:
            return answer
        raise failure or NoAnswer(
            "timeout", f"No answer within {limit:g} s, while waiting for {self._waiting()}."
        )

    def _send(self) -> None:
        try:
            with self._client:
                self._ask()
        finally:
            if self._stream is not None:
                self._stream.close()  # httpcore does not close it if a SOCKS proxy refuses
            self._end()

    def _ask(self) -> None:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {self._key}",
            "Connection": "close",
            "User-Agent": "together-otel",
        }
        extensions = {"trace": self._follow}
        with self._client.stream(
            "GET", self._url, headers=headers, extensions=extensions
        ) as response:
            status = response.status_code
            if self.proxy is not None and status == _PROXY_AUTHENTICATION:
                raise self._refused_by_proxy(status)
            self._answer = Answer(status, dict(response.headers))
            if status not in ACCEPTED:  # otherwise the body is a long list of models
                # If the body is incomplete, the status is still known.
                with suppress(httpx.TransportError, ValueError, RecursionError):
                    self._answer = replace(self._answer, body=json.loads(_body(response)))

    def _follow(self, event: str, info: Mapping[str, Any]) -> None:
        """Record the current step from httpcore's trace events."""
        host = self._url.raw_host.decode()
        if event.endswith("connect_tcp.started"):
            there, port = info["host"], info["port"]
            self._step = ("a connection to", f"{in_url(there)}:{port}")
            if (there, port) != (host, port_of(self._url)):
                self.proxy = proxy_at(there, port, self._variables)
        elif event.endswith("connect_tcp.complete"):
            self._stream = info["return_value"]
            # A duplicate, as TLS takes over the socket object. shutdown() still ends the connection.
            self._socket = self._stream.get_extra_info("socket").dup()
            if self._ended:
                raise TimeoutError
        elif event.endswith("start_tls.started"):
            self._step = ("TLS with", info["server_hostname"])
        elif event.endswith("setup_socks5_connection.started"):
            self._step = ("the proxy", self.proxy or "")
        elif event.endswith("send_request_headers.started"):
            asks_proxy = info["request"].method == b"CONNECT"
            self._step = ("the proxy", self.proxy or "") if asks_proxy else ("an answer from", host)

    def _end(self) -> None:
        """End the connection, from any thread. A DNS lookup cannot be ended."""
        self._ended = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    def _waiting(self) -> str:
        return " ".join(self._step).rstrip()

    def _meaning(self, exc: Exception) -> NoAnswer:
        step, whom = self._step
        reason: BaseException | None = exc  # becomes the system's error that caused httpx's
        while reason is not None and not isinstance(reason, (OSError, UnicodeError)):
            reason = reason.__cause__ or reason.__context__
        if isinstance(exc, httpx.ProxyError):
            status = str(exc).partition(" ")[0]
            return self._refused_by_proxy(int(status) if status.isdecimal() else None)
        if step == "a connection to" and reason is not None:
            return self._unreached(whom, reason)
        if step == "the proxy":
            found = "proxy_unreachable", f"The proxy {whom} did not answer like a proxy."
        elif isinstance(reason, ssl.SSLCertVerificationError):
            why = reason.verify_message
            found = "tls_failure", f"The certificate of {whom} is not valid: {why}."
        elif isinstance(reason, ssl.SSLError):
            why = (reason.reason or "no reason given").replace("_", " ").lower()
            found = "tls_failure", f"TLS with {whom} failed: {why}."
        elif isinstance(exc, (httpx.NetworkError, httpx.RemoteProtocolError)):
            why = f"The connection was lost while waiting for {self._waiting()}."
            found = "connection_lost", why
        else:
            found = "unexpected_answer", f"The request could not be made ({type(exc).__name__})."
        return NoAnswer(*found)

    def _unreached(self, place: str, reason: BaseException) -> NoAnswer:
        whom = place if self.proxy is None else f"the proxy {self.proxy}"
        why = getattr(reason, "strerror", None)
        if isinstance(reason, (socket.gaierror, UnicodeError)):
            name, outcome = place.rpartition(":")[0], "dns_failure"
            detail = f"The host name {name} cannot be resolved: {why or 'it is not valid'}."
        elif isinstance(reason, ConnectionRefusedError):
            outcome, detail = "connection_refused", f"Nothing listens at {whom}."
        else:
            outcome, detail = "no_network", f"Cannot reach {whom}: {why or type(reason).__name__}."
        if self.proxy is None:
            return NoAnswer(outcome, detail)
        return NoAnswer("proxy_unreachable", f"The proxy cannot be reached. {detail}")

    def _refused_by_proxy(self, status: int | None) -> NoAnswer:
        said = "refused the connection" if status is None else f"answered {status}"
        why = "" if status is None else _REFUSALS.get(status, "")
        detail = f"The proxy {self.proxy} {said} for {self._url.host}{why}."
        return NoAnswer("proxy_refused", detail)


def _body(response: httpx.Response) -> bytes:
    read = bytearray()
    for part in response.iter_raw():
        read += part
        if len(read) >= _MOST:
            break
    return bytes(read[:_MOST])
