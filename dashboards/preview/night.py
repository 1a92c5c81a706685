"""A made-up night of three services, in the names of `together_otel.names`.

All is well until 03:12, when a key that two of them share is revoked; at 03:20 a pod of the
third is replaced by one without a key. `write` tells it in OpenMetrics' text, for
``promtool tsdb create-blocks-from openmetrics``.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from typing import IO, TYPE_CHECKING

from together_otel import names
from together_otel.telemetry.request_metrics import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INTERVAL = 15
"""Seconds between two scrapes."""


def at(hour: int, minute: int) -> int:
    """Return a moment of that night in seconds."""
    return int(datetime(2026, 11, 24, hour, minute, tzinfo=timezone.utc).timestamp())


START, END = at(1, 58), at(3, 35)
REVOKED, KEYLESS = at(3, 12), at(3, 20)
HEALTHY, INCIDENT = at(3, 4), at(3, 34)
"""The moments that pictures are taken at."""

PLACE = {"cluster": "eu-1", "namespace": "shop"}
"""Labels that all have."""
SHARED_KEY, OTHER_KEY = "3f9c2a71", "b04e7d15"


@dataclass(frozen=True)
class Work:
    """What a service does all the time.

    ``seconds`` is the median of a call; ``first`` of a stream's first chunk, 0 for none.
    """

    operation: str
    model: str
    rate: float
    seconds: float
    tokens: tuple[float, float]
    first: float = 0.0


@dataclass(frozen=True)
class Service:
    """One job: its key, its pods, its work."""

    job: str
    key: str
    pods: tuple[str, ...]
    works: tuple[Work, ...]
    revoked: int | None = None


SERVICES = (
    Service(
        "checkout-assistant",
        SHARED_KEY,
        ("10.4.1.17:9464", "10.4.2.8:9464", "10.4.3.21:9464"),
        (Work("chat", "meta-llama/Llama-3.3-70B-Instruct-Turbo", 1.4, 2.1, (900, 210), 0.28),),
        REVOKED,
    ),
    Service(
        "search",
        OTHER_KEY,
        ("10.4.1.30:9464", "10.4.2.31:9464", "10.4.3.9:9464"),
        (
            Work("embeddings", "intfloat/multilingual-e5-large-instruct", 2.6, 0.09, (120, 0)),
            Work("rerank", "mixedbread-ai/Mxbai-Rerank-Large-V2", 1.1, 0.21, (1500, 0)),
        ),
    ),
    Service(
        "support-chat",
        SHARED_KEY,
        ("10.4.1.44:9464", "10.4.2.45:9464", "10.4.3.46:9464"),
        (
            Work("chat", "Qwen/Qwen3-235B-A22B-Instruct-2507-tput", 0.8, 4.2, (2600, 380), 0.55),
            Work("embeddings", "intfloat/multilingual-e5-large-instruct", 0.4, 0.09, (90, 0)),
        ),
        REVOKED + 4,
    ),
)
KEYLESS_POD = ("search", "10.4.3.9:9464", "10.4.3.77:9464")
"""Whose pod goes, and the one that comes without a key."""

ALERTS = (
    ("TogetherAuthFailing", "page", "checkout-assistant", SHARED_KEY, REVOKED + 30),
    ("TogetherAuthFailing", "page", "support-chat", SHARED_KEY, REVOKED + 45),
    ("TogetherAuthFailing", "page", "search", "", KEYLESS + 45),
)

ERRORS: dict[names.Outcome, str] = {
    "auth_failure": "together.AuthenticationError",
    "rate_limited": "together.RateLimitError",
    "server_error": "together.InternalServerError",
    "timeout": "together.APITimeoutError",
}

CHANCES: dict[names.Outcome, float] = {
    "rate_limited": 0.0012,
    "server_error": 0.001,
    "timeout": 0.0004,
    "abandoned": 0.009,
}
"""Of a call to end otherwise than well; only a stream can be abandoned."""
CACHED, REASONING = 0.4, 0.25
"""Shares of the tokens of a question and of an answer."""
ALLOWED = 600
"""Requests that the rate limit of a model allows."""
CUT = 0.02
"""Chance of an answer to be cut by max_tokens."""
RETRIED = 0.004
"""Chance of a call to be repeated once by the SDK."""


class Pod:
    """One process and all that it has counted."""

    def __init__(self, service: Service, instance: str, born: int, chance: random.Random) -> None:
        self.service, self.instance, self.born = service, instance, born
        self.keyless = instance == KEYLESS_POD[2]
        self._dice = chance
        self._values: defaultdict[str, float] = defaultdict(float)
        for cause in names.CAUSES:
            self._values[self._name(names.AUTH_FAILURES, cause)] = 0
        present = (
            ("missing", "none", "none") if self.keyless else ("present", "tgp_v1", "environment")
        )
        self._add(names.KEY_CHECKS, *present)
        self._values[self._series("process_start_time_seconds", {})] = born
        if not self.keyless:
            self._set(names.KEY_INFO, 1, service.key, "tgp_v1", "environment")
            for work in service.works:
                for outcome in ("success", "auth_failure"):
                    self._add(names.REQUESTS, work.operation, outcome, n=0)

    def live(self, now: int) -> None:
        """Count what happens in one interval."""
        if self.keyless:
            for _ in range(self._dice.choice((0, 1, 1))):
                self._add(names.AUTH_FAILURES, "missing")
                self._set(names.AUTH_LAST_FAILURE, now, "missing")
                self._add(names.KEY_CHECKS, "missing", "none", "none")
            return
        refused = self.service.revoked is not None and now > self.service.revoked
        for work in self.service.works:
            # The night's slow wave, and the dice.
            wave = 1 + 0.18 * math.sin(now / 1500) + 0.06 * math.sin(now / 170)
            for _ in range(round(self._dice.gauss(work.rate * wave * INTERVAL, 1.6))):
                self._call(work, now, refused=refused)

    def _call(self, work: Work, now: int, *, refused: bool) -> None:
        outcome = "auth_failure" if refused else self._outcome(work)
        self._add(names.REQUESTS, work.operation, outcome)
        error = ERRORS.get(outcome, "")
        labels = (work.operation, names.PROVIDER, work.model, "" if error else work.model)
        labels += ("api.together.ai", "443")
        spread = self._dice.lognormvariate(0, 0.35)
        if refused:
            self._add(names.AUTH_FAILURES, "revoked")
            self._set(names.AUTH_LAST_FAILURE, now, "revoked")
            self._set(names.KEY_LAST_REFUSED, now - self._dice.random(), self.service.key)
            self._measure({"duration": 0.06 * spread}, labels, error)
            return
        slow = 20 if outcome == "timeout" else 1
        measured: dict[str, float] = {"duration": work.seconds * spread * slow}
        if outcome in {"server_error", "rate_limited"}:
            self._add(names.RETRIES, work.operation, n=2)
        elif self._dice.random() < RETRIED:
            self._add(names.RETRIES, work.operation)
        if not error:
            self._set(names.KEY_LAST_ACCEPTED, now - self._dice.random(), self.service.key)
            self._set(names.AUTH_LAST_SUCCESS, now)
            if work.operation == "chat":
                reason = "length" if self._dice.random() < CUT else "stop"
                self._add(names.CHOICES, work.operation, work.model, reason)
            for field, tokens in zip(("input_tokens", "output_tokens"), work.tokens, strict=True):
                if tokens:
                    measured[field] = round(tokens * self._dice.lognormvariate(0, 0.5))
            if work.first:
                measured["cached_tokens"] = measured["input_tokens"] * CACHED
                measured["reasoning_tokens"] = measured["output_tokens"] * REASONING
                self._set(names.RATELIMIT_LIMIT, ALLOWED, work.model)
                self._set(names.RATELIMIT_REMAINING, ALLOWED - work.rate * 60 * spread, work.model)
                measured["first_chunk"] = work.first * spread
                each = (work.seconds - work.first) / work.tokens[1]
                measured["per_chunk"] = each * spread
        self._measure(measured, labels, error)

    def _measure(self, measured: dict[str, float], labels: tuple[str, ...], error: str) -> None:
        for row in rows(labels[0], "latest", chunk_times=False):
            value = measured.get(row.field)
            if value is None:
                continue
            if row.metric.kind == "counter":
                self._add(row.metric, *labels, *row.further, n=round(value))
            else:
                further = (error,) if names.ERROR_TYPE in row.metric.attributes else row.further
                self._observe(row.metric, value, *labels, *further)

    def _outcome(self, work: Work) -> names.Outcome:
        chances = CHANCES if work.first else {**CHANCES, "abandoned": 0.0}
        (other,) = self._dice.choices(
            (*chances, None), (*chances.values(), 1 - sum(chances.values()))
        )
        return other or "success"

    def _add(self, metric: names.Metric, *values: str, n: int = 1) -> None:
        self._values[self._name(metric, *values)] += n

    def _set(self, metric: names.Metric, value: float, *values: str) -> None:
        self._values[self._name(metric, *values)] = value

    def _observe(self, metric: names.Metric, value: float, *values: str) -> None:
        buckets, count, total = self._histogram(metric, *values)
        for bound, bucket in buckets:
            self._values[bucket] += value <= bound
        self._values[count] += 1
        self._values[total] += value

    def samples(self) -> Iterator[tuple[str, float]]:
        """Return what a scrape shows."""
        yield from self._values.items()
        yield self._series("up", {}), 1

    @cache  # noqa: B019 - lives as long as the night
    def _histogram(
        self, metric: names.Metric, *values: str
    ) -> tuple[list[tuple[float, str]], str, str]:
        name, labels = metric.prometheus, dict(zip(metric.labels, values, strict=True))
        buckets = [
            (bound, self._series(f"{name}_bucket", {**labels, "le": le}))
            for bound, le in ((math.inf, "+Inf"), *((one, str(one)) for one in metric.buckets))
        ]
        return buckets, self._series(f"{name}_count", labels), self._series(f"{name}_sum", labels)

    @cache  # noqa: B019 - as above
    def _name(self, metric: names.Metric, *values: str) -> str:
        return self._series(metric.prometheus, dict(zip(metric.labels, values, strict=True)))

    def _series(self, name: str, labels: Mapping[str, str]) -> str:
        every = {**PLACE, "job": self.service.job, "instance": self.instance, **labels}
        inner = ",".join(f'{key}="{value}"' for key, value in every.items() if value)
        return f"{name}{{{inner}}}"


def write(file: IO[str]) -> None:
    """Write the night."""
    chance = random.Random(312)  # noqa: S311 - no secret
    pods = [
        # Processes that started some days ago at different moments.
        Pod(service, instance, START - 200_000 - 7_000 * place, chance)
        for service in SERVICES
        for place, instance in enumerate(service.pods)
    ]
    series: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for now in range(START, END + 1, INTERVAL):
        if now == KEYLESS:
            job, gone, come = KEYLESS_POD
            (service,) = (one for one in SERVICES if one.job == job)
            pods = [pod for pod in pods if pod.instance != gone]
            pods.append(Pod(service, come, now, chance))
        for pod in pods:
            pod.live(now)
            for name, value in pod.samples():
                series[name].append((value, now))
        for alert, severity, job, key, since in ALERTS:
            if now >= since:
                name = (
                    f'ALERTS{{alertname="{alert}",alertstate="firing",severity="{severity}",'
                    f'job="{job}",{names.label_of(names.KEY_FINGERPRINT)}="{key}"}}'
                )
                series[name].append((1, now))
    for name, points in sorted(series.items()):
        file.writelines(f"{name} {value:.12g} {now}\n" for value, now in points)
    file.write("# EOF\n")
