"""Figures for Prometheus. See https://prometheus.io/docs/instrumenting/exposition_formats/.

Counting is a few dictionary operations per request; the Prometheus library is needed, and so
imported, only when somebody asks for the figures: it takes memory that a server which nobody
watches need not spend.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)


class _Latency(msgspec.Struct):
    """How often a route's answer took how long.

    One count per bucket, the last for all that took longer.
    """

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(_BUCKETS_SECONDS) + 1))
    total_seconds: float = 0.0


class _Gauge(msgspec.Struct, frozen=True):
    name: str
    meaning: str
    labels: tuple[str, ...]
    read: Callable[[], Mapping[tuple[str, ...], float]]
    is_counter: bool = False


class Metrics:
    """Counts requests, and reads everything else at the moment when it is shown."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._latencies: defaultdict[str, _Latency] = defaultdict(_Latency)
        self._gauges: list[_Gauge] = []

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request.

        `route` is a handler's name, never a path: of paths there is no end, nor of methods.
        """
        self._requests[route, method if method in _METHODS else "other", str(status)] += 1
        latency = self._latencies[route]
        latency.counts[bisect_left(_BUCKETS_SECONDS, seconds)] += 1
        latency.total_seconds += seconds

    def add_gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Show what `read` says at the moment of asking."""
        self._gauges.append(_Gauge(name, meaning, (), lambda: {(): read()}))

    def add_gauges(
        self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        """Show what `read` says at the moment of asking, a figure for each value of a label."""
        self.add_table(name, meaning, (label,) if label else (), _keyed(label, read))

    def add_table(
        self,
        name: str,
        meaning: str,
        labels: tuple[str, ...],
        read: Callable[[], Mapping[tuple[str, ...], float]],
    ) -> None:
        """Show what `read` says likewise, a figure for each combination of values."""
        self._gauges.append(_Gauge(name, meaning, labels, read))

    def add_counters(
        self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        """Show what `read` says when asked, a counter for each value of a label."""
        self._gauges.append(_Gauge(name, meaning, (label,), _keyed(label, read), is_counter=True))

    def render(self) -> bytes:
        """Return all of it as text."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry: Any = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """Hand the figures to the Prometheus library, which calls this when it renders."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        requests = CounterMetricFamily(
            "opsicle_requests", "Requests answered.", labels=("route", "method", "status")
        )
        for labels, count in self._requests.items():
            requests.add_metric(labels, count)
        yield requests

        seconds = HistogramMetricFamily(
            "opsicle_request_seconds", "Time until a request's answer was ready.", labels=("route",)
        )
        for route, latency in self._latencies.items():
            seconds.add_metric((route,), _buckets(latency), latency.total_seconds)
        yield seconds

        for gauge in self._gauges:
            kind = CounterMetricFamily if gauge.is_counter else GaugeMetricFamily
            family = kind(gauge.name, gauge.meaning, labels=gauge.labels)
            for values, number in gauge.read().items():
                family.add_metric(values, number)
            yield family


def _keyed(
    label: str, read: Callable[[], Mapping[str, float]]
) -> Callable[[], Mapping[tuple[str, ...], float]]:
    return lambda: {(value,) if label else (): number for value, number in read().items()}


def _buckets(latency: _Latency) -> list[tuple[str, float]]:
    """Yield Prometheus's buckets: each counts all that took no longer than its bound."""
    so_far, buckets = 0, []
    for marker, count in zip((*map(str, _BUCKETS_SECONDS), "+Inf"), latency.counts, strict=True):
        so_far += count
        buckets.append((marker, float(so_far)))
    return buckets
