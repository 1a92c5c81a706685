"""From here to an address: by a proxy if there is one, in TLS if it is https."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from together_otel.cli.check.outcomes import Trouble
from together_otel.clients.addresses import in_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.cli.check.addresses import Address
    from together_otel.cli.check.proxies import Proxy

_OK: Final = 200
_BUNDLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""What httpx looks at; what requests does, which together 1.x is on, comes first there."""
_BUNDLES_OF_REQUESTS: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Connection:
    """One connection, made step by step; another thread may end it at any of them.

    Args:
        address: where to.
        proxy: by which way, ``None`` for straight there.
        limit: seconds that any one step may take.

    Attributes:
        step: what it is waiting for.
    """

    def __init__(self, address: Address, proxy: Proxy | None, limit: float) -> None:
        self.address: Final = address
        self.proxy: Final = proxy
        self.step = "its start"
        self._limit = limit
        self._socket: socket.socket | None = None
        self._ended = False

    def open(self, context: ssl.SSLContext | None) -> socket.socket:
        """Return a socket on which to send a request.

        Args:
            context: of TLS, ``None`` where none is to be spoken.

        Raises:
            Trouble: when there is no way.
        """
        host, port = self.address.host, self.address.port
        if self.proxy is None:
            made = self._hold(self._reach(host, port))
        else:
            made = self._hold(self._reach(self.proxy.host, self.proxy.port))
            if context is not None:
                self._tunnel(made, self.proxy)
        if context is not None:
            self.step = f"TLS with {host}"
            try:
                wrapped = context.wrap_socket(
                    made, server_hostname=host, do_handshake_on_connect=False
                )
                made = self._hold(wrapped)
                wrapped.do_handshake()
            except ssl.SSLCertVerificationError as exc:
                raise Trouble(
                    "tls_failure",
                    f"The certificate that {host} shows does not hold: {exc.verify_message}.",
                ) from None
            except ssl.SSLError as exc:
                reason = (exc.reason or "no reason given").replace("_", " ").lower()
                raise Trouble("tls_failure", f"No TLS with {host}: {reason}.") from None
        self.step = f"an answer of {host}"
        return made

    def close(self) -> None:
        """Close it, whoever waits for it, and in whichever thread."""
        self._ended = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    def _hold(self, made: socket.socket) -> socket.socket:
        self._socket = made
        if self._ended:
            made.close()
            raise TimeoutError
        return made

    def _reach(self, host: str, port: int) -> socket.socket:
        place = f"{in_url(host)}:{port}"
        self.step = f"a connection to {place}"
        whom = place if self.proxy is None else f"the proxy {self.proxy}"
        try:
            return socket.create_connection((host, port), self._limit)
        except TimeoutError:
            raise
        except (socket.gaierror, UnicodeError) as exc:
            why = (isinstance(exc, OSError) and exc.strerror) or "it is no name of a host"
            trouble = Trouble("dns_failure", f"The name {host} was not found: {why}.")
        except ConnectionRefusedError:
            trouble = Trouble("connection_refused", f"Nothing listens at {whom}.")
        except OSError as exc:
            why = exc.strerror or type(exc).__name__
            trouble = Trouble("no_network", f"There is no way to {whom}: {why}.")
        if self.proxy is not None:
            detail = f"{self.proxy.variable} leads nowhere. {trouble.detail}"
            trouble = Trouble("proxy_unreachable", detail)
        raise trouble from None

    def _tunnel(self, made: socket.socket, proxy: Proxy) -> None:
        self.step = f"the proxy {proxy}"
        target = f"{in_url(self.address.host)}:{self.address.port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        lines += [f"Proxy-Authorization: {proxy.authorization}"] if proxy.authorization else []
        made.sendall("\r\n".join((*lines, "", "")).encode("ascii", "replace"))
        answer = HTTPResponse(made, method="CONNECT")
        try:
            answer.begin()
        except (HTTPException, ConnectionError):
            raise Trouble("proxy_unreachable", f"The proxy {proxy} gave no HTTP answer.") from None
        finally:
            answer.close()
        if answer.status != _OK:
            raise refused_by(proxy, self.address, answer.status)


def refused_by(proxy: Proxy, address: Address, status: int) -> Trouble:
    """Return what a proxy's own refusal is."""
    why = {
        407: " as it wants a user name and password, or others",
        403: " as this host is not allowed there",
        502: " as it cannot reach it itself",
        503: " as it cannot reach it itself",
        504: " as it cannot reach it itself",
    }.get(status, "")
    return Trouble("proxy_refused", f"The proxy {proxy} answered {status} for {address.host}{why}.")


def tls_context(variables: Mapping[str, str], sdk: tuple[int, int] | None) -> ssl.SSLContext:
    """Return what the SDK would trust: a bundle that a variable names, certifi's, or the system's.

    Raises:
        Trouble: when the bundle that is named cannot be read.
    """
    first = sdk is not None and sdk[0] == 1
    for name in _BUNDLES_OF_REQUESTS if first else _BUNDLES:
        if path := variables.get(name):
            try:
                folder = Path(path).is_dir()
                return ssl.create_default_context(
                    cafile=None if folder else path, capath=path if folder else None
                )
            except (OSError, ValueError):
                raise Trouble(
                    "tls_failure", f"The certificates that {name} names cannot be read."
                ) from None
    try:
        import certifi  # noqa: PLC0415 - it comes with the SDK, and need not be here
    except ImportError:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())
