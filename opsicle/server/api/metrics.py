"""Figures about the server for Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)


class Metrics:
    """Counts requests, and asks `gauges` by name for everything that is better read than counted."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "opsicle_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "opsicle_request_seconds",
            "Time until a request's answer was ready.",
            ("route",),
            buckets=_BUCKETS_SECONDS,
            registry=self._registry,
        )

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request. `route` is a handler's name, never a path: paths are without number."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def add_gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Show what `read` says at the moment of asking."""
        self._registry.register(_Gauges(name, meaning, lambda: {"": read()}, label=""))

    def add_gauges(self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Show what `read` says by the values of one label."""
        self._registry.register(_Gauges(name, meaning, read, label=label))

    def render(self) -> bytes:
        """All of it as text."""
        return generate_latest(self._registry)


class _Gauges(Collector):
    def __init__(self, name: str, meaning: str, read: Callable[[], Mapping[str, float]], *, label: str) -> None:
        self._name = name
        self._meaning = meaning
        self._read = read
        self._labels = [label] if label else []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._meaning, labels=self._labels)
        for value, number in self._read().items():
            family.add_metric([value] if self._labels else [], number)
        yield family

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Without this, registering would read the gauge before the server is complete."""
        return [GaugeMetricFamily(self._name, self._meaning)]
