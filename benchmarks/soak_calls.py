"""Calls of the soak test: many kinds, models, keys and hosts, in threads and asyncio tasks.

They use an in-process transport, whose response to each is chosen by a request header.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import httpx
import together
from workload import ANSWER, CHUNKS, MODEL, REFUSAL, STREAM, messages

from together_otel.testing import MadeUpKeys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

MODELS, KEYS, HOSTS = 10_000, 1_000, 500
THREADS, TASKS = 6, 32
CALLS_OF_A_CLIENT = 10
SHOWN_CHUNKS = 4
BRIEF = STREAM[: len(STREAM) // CHUNKS * SHOWN_CHUNKS] + b"data: [DONE]\n\n"
MESSAGES = messages(5)
FIRST = STREAM[: len(STREAM) // CHUNKS]
STATUSES = {"refused": 401, "spent": 402, "limited": 429, "broken": 500}
STREAMS = ("read", "closed", "dropped", "stream cancelled")
KINDS = {
    "answered": ("success", 40),
    "refused": ("auth_failure", 10),
    "spent": ("payment_required", 3),
    "limited": ("rate_limited", 8),
    "broken": ("server_error", 6),
    "late": ("timeout", 4),
    "unreachable": ("connection_error", 4),
    "cancelled": ("cancelled", 3),
    "read": ("success", 10),
    "closed": ("abandoned", 5),
    "dropped": ("abandoned", 4),
    "stream cancelled": ("cancelled", 3),
}
"""Outcome and percentage of each kind of call."""
SYNC = {"cancelled": "answered", "stream cancelled": "read"}
"""Kinds that threads use instead of those that need a task."""

arrived: ContextVar[asyncio.Event] = ContextVar("arrived")


def kind_of(request: httpx.Request) -> str:
    """Return the kind of call that a request belongs to."""
    return request.headers["x-kind"]


def respond(request: httpx.Request) -> httpx.Response:
    """Return the response for the request's kind."""
    kind = kind_of(request)
    if kind == "late":
        raise httpx.ReadTimeout("the answer is late", request=request)
    if kind == "unreachable":
        raise httpx.ConnectError("nobody is there", request=request)
    if status := STATUSES.get(kind):
        said = REFUSAL if kind == "refused" else {"error": {"message": kind, "type": kind}}
        return httpx.Response(status, json=said)
    body, form = (BRIEF, "text/event-stream") if kind in STREAMS else (ANSWER, "application/json")
    model = json.loads(request.content)["model"].encode()
    return httpx.Response(
        200, content=body.replace(MODEL.encode(), model), headers={"content-type": form}
    )


async def hang() -> None:
    """Signal that the request has arrived, and wait to be cancelled."""
    arrived.get().set()
    await asyncio.Event().wait()


async def respond_async(request: httpx.Request) -> httpx.Response:
    """Do the same as `respond`, but hang where the caller cancels."""

    async def first_chunk() -> AsyncIterator[bytes]:
        yield FIRST
        await hang()

    if kind_of(request) == "cancelled":
        await hang()
    response = respond(request)
    if kind_of(request) == "stream cancelled":
        return httpx.Response(200, content=first_chunk(), headers=response.headers)
    return response


class Soak:
    """Makes the calls and counts them."""

    def __init__(self, calls: int) -> None:
        kinds = [kind for kind, (_, share) in KINDS.items() for _ in range(share * 100)]
        random.Random(1).shuffle(kinds)  # noqa: S311 - no secret
        self._kinds = kinds[:-9]  # a length that has no factor in common with the other numbers
        made_up = MadeUpKeys()
        self._keys = [made_up.together() for _ in range(KEYS)]
        self._calls = calls
        self._numbers = iter(range(-(-calls // CALLS_OF_A_CLIENT)))
        self._lock = threading.Lock()
        self.clients = 0
        self.done: Counter[str] = Counter()
        self.errors: list[BaseException] = []

    def _next(self, make: type[Any], http: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
        """Yield the kind, the method and the arguments of each call that is left."""
        while True:
            with self._lock:
                number = next(self._numbers, None)
                self.clients += number is not None
            if number is None:
                return
            create = make(
                api_key=self._keys[number % KEYS],
                base_url=f"http://host-{number % HOSTS}.test",
                max_retries=0,
                http_client=http,
            ).chat.completions.create
            first = number * CALLS_OF_A_CLIENT
            for call in range(first, min(first + CALLS_OF_A_CLIENT, self._calls)):
                kind = self._kinds[call % len(self._kinds)]
                if make is together.Together:
                    kind = SYNC.get(kind, kind)
                yield (
                    kind,
                    create,
                    {
                        "model": f"some/model-{call % MODELS}",
                        "messages": MESSAGES,
                        "stream": kind in STREAMS,
                        "extra_headers": {"x-kind": kind},
                    },
                )

    def _count(self, kind: str) -> None:
        with self._lock:
            self.done[kind] += 1

    def thread(self) -> None:
        """Make calls until none are left."""
        with httpx.Client(transport=httpx.MockTransport(respond)) as http:
            for kind, create, call in self._next(together.Together, http):
                try:
                    answer = create(**call)
                    if kind == "read":
                        list(answer)
                    elif kind in STREAMS:
                        next(iter(answer))
                        if kind == "closed":
                            answer.close()
                    answer = None
                except together.TogetherError:
                    pass
                self._count(kind)

    def loop(self) -> None:
        """Make calls in tasks of an event loop."""
        asyncio.run(self._tasks())

    async def _tasks(self) -> None:
        transport = httpx.MockTransport(respond_async)
        async with httpx.AsyncClient(transport=transport) as http:
            await asyncio.gather(*(self._task(http) for _ in range(TASKS)))

    async def _task(self, http: httpx.AsyncClient) -> None:
        for kind, create, call in self._next(together.AsyncTogether, http):
            here = asyncio.Event()
            arrived.set(here)
            task = asyncio.create_task(self._call(kind, create, call))
            if KINDS[kind][0] == "cancelled":
                task.add_done_callback(lambda _, here=here: here.set())  # in case it fails earlier
                await here.wait()
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._count(kind)
            if error := None if task.cancelled() else task.exception():
                raise error

    async def _call(self, kind: str, create: Callable[..., Any], call: dict[str, Any]) -> None:
        try:
            answer = await create(**call)
            if kind in ("read", "stream cancelled"):
                async for _ in answer:
                    pass
            elif kind in STREAMS:
                await anext(aiter(answer))
                if kind == "closed":
                    await answer.close()
        except together.TogetherError:
            pass

    def run(self, sample: Callable[[int], None]) -> None:
        """Make all calls; call ``sample`` with the number done about twice a second."""

        def guarded(work: Callable[[], None]) -> None:
            try:
                work()
            except BaseException as exc:  # noqa: BLE001 - reported at the end
                self.errors.append(exc)

        works = [self.thread] * THREADS + [self.loop]
        threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            threads[0].join(0.5) if threads[0].is_alive() else time.sleep(0.1)
            sample(self.done.total())
