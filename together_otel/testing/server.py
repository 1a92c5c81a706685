"""A scriptable Together server on loopback, for tests and demonstrations."""

import threading
from collections import deque
from collections.abc import Collection, Mapping
from functools import partial

from together_otel.testing import answers, behaviours
from together_otel.testing.behaviours import Behaviour
from together_otel.testing.exchange import (
    Exchange,
    Plan,
    ReceivedRequest,
    Reply,
    fields_in,
    json_reply,
    key_in,
)
from together_otel.testing.wire import Listener

_CONTROL = "/_control/"
_FIRST_WITHOUT_V1 = 3
_BAD_REQUEST = 400


class TogetherServer:
    """Serves the part of Together's API that its SDK uses, on 127.0.0.1.

    Use it as a context manager, or call ``start()`` and ``close()``. Without a script, its
    replies are deterministic, and it refuses invalid keys as Together does. Another process can
    POST ``{"key": …}`` to ``/_control/accept``, ``/_control/revoke`` or, with ``"after": n``,
    ``/_control/revoke_after``.

    Args:
        keys: valid keys; if empty, any well-formed key is valid.
        port: TCP port; 0 for a free one.
    """

    def __init__(self, *, keys: Collection[str] = (), port: int = 0) -> None:
        self.requests: list[ReceivedRequest] = []
        """All requests received so far, in order of arrival."""
        self._port = port
        self._keys = set(keys)
        self._left: dict[str, int] = {}
        self._script: deque[Behaviour] = deque()
        self._standing = behaviours.usual()
        # Protects this object's state, and notifies of a new request, a release and the end.
        self._changed = threading.Condition(threading.RLock())
        self._count = 0
        self._released = 0
        self._closing = False
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None

    # ── start and stop ───────────────────────────────────────────────────────────────

    def start(self) -> "TogetherServer":
        """Bind the port, start serving in a thread, and return itself.

        Raises:
            OSError: if the port is in use.
            RuntimeError: if the server is already running.
        """
        if self._listener is not None:
            raise RuntimeError("the server is running")
        self._closing = False
        self._listener = Listener(self._port, self.take, self.hold)
        self._thread = threading.Thread(
            target=self._listener.serve_forever,
            # close() waits for one poll.
            kwargs={"poll_interval": 0.01},
            name="together-server",
            daemon=True,
        )
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop serving, close all connections and join all threads. Can be called twice."""
        listener, thread = self._listener, self._thread
        if listener is None or thread is None:
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        listener.shutdown()
        thread.join()
        listener.hang_up()
        self._listener = self._thread = None

    def __enter__(self) -> "TogetherServer":  # noqa: PYI034 - Self needs 3.11 or another package
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The base URL for SDK 3.x, whose paths begin with ``/v1``.

        Raises:
            RuntimeError: before ``start()`` and after ``close()``.
        """
        if self._listener is None:
            raise RuntimeError("the server is not running")
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    @property
    def base_url(self) -> str:
        """The base URL for SDK 1.x and 2.x, which ends in ``/v1``."""
        return self.url + "/v1"

    def base_url_for(self, version: str) -> str:
        """Return the base URL for a version of the SDK, such as ``"3.1.1"``."""
        return self.url if int(version.partition(".")[0]) >= _FIRST_WITHOUT_V1 else self.base_url

    # ── keys and script ──────────────────────────────────────────────────────────────

    def accept(self, key: str) -> None:
        """Accept a key from now on, even if it was revoked."""
        with self._changed:
            self._left.pop(key, None)
            if self._keys:
                self._keys.add(key)

    def revoke(self, key: str) -> None:
        """Refuse a key from now on."""
        self.revoke_after(key, 0)

    def revoke_after(self, key: str, n: int) -> None:
        """Refuse a key after it has been accepted ``n`` more times."""
        with self._changed:
            self._left[key] = n

    def script(self, *queue: Behaviour) -> None:
        """Queue behaviours. Each applies to one request, before the behaviour set by ``always``."""
        with self._changed:
            self._script.extend(queue)

    def always(self, behaviour: Behaviour | None) -> None:
        """Set the behaviour once the script is used up; ``None`` for the default."""
        with self._changed:
            self._standing = behaviour or behaviours.usual()

    def release(self) -> None:
        """End the pauses by ``slow`` of all requests received so far."""
        with self._changed:
            self._released = self._count
            self._changed.notify_all()

    def wait_for(self, n: int, timeout: float = 60.0) -> list[ReceivedRequest]:
        """Wait until at least ``n`` requests have arrived and return all requests.

        Raises:
            TimeoutError: if fewer arrive within ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= n, timeout):
                raise TimeoutError(f"{len(self.requests)} of {n} requests after {timeout} s")
            return list(self.requests)

    # ── called by the HTTP layer ─────────────────────────────────────────────────────

    def take(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[ReceivedRequest | None, Plan]:
        """Record a request and return it and its plan."""
        fields = fields_in(headers.get("content-type", ""), body)
        if path.startswith(_CONTROL):
            return None, Plan(self._control(path.removeprefix(_CONTROL), fields))
        model = fields.get("model")
        authorization = headers.get("authorization")
        retry = headers.get("x-stainless-retry-count", "")
        with self._changed:
            self._count += 1
            request = ReceivedRequest(
                number=self._count,
                method=method,
                path=path,
                model=model if isinstance(model, str) else None,
                authorized=self._is_good(key_in(authorization)),
                retry=int(retry) if retry.isdecimal() else 0,
                authorization=authorization,
                headers=headers,
                fields=fields,
            )
            self.requests.append(request)
            self._changed.notify_all()
            behaviour = self._script.popleft() if self._script else self._standing
            answer = partial(answers.answer, request)

            def usual() -> Reply:
                return answer() if self._admit(request.key) else behaviours.refusal(request)

            return request, behaviour(Exchange(request, usual, answer))

    def hold(self, request: ReceivedRequest, seconds: float) -> bool:
        """Wait up to ``seconds`` or until released or closed; return whether to go on."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closing or request.number <= self._released, seconds
            )
            return not self._closing

    def _admit(self, key: str | None) -> bool:
        """Return whether a key is valid, and count its use."""
        good = self._is_good(key)
        if good and key in self._left:
            self._left[key] -= 1
        return good

    def _is_good(self, key: str | None) -> bool:
        if key is None or self._left.get(key) == 0:
            return False
        return not self._keys or key in self._keys

    def _control(self, order: str, fields: Mapping[str, object]) -> Reply:
        match order, fields:
            case "accept", {"key": str(key)}:
                self.accept(key)
            case "revoke", {"key": str(key)}:
                self.revoke(key)
            case "revoke_after", {"key": str(key), "after": int(after)}:
                self.revoke_after(key, after)
            case _:
                return json_reply({"error": "no such order"}, _BAD_REQUEST)
        return json_reply({})
