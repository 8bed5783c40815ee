"""Doing what would hold up everyone in an OS thread, while other greenlets go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gevent.threadpool import ThreadPool

T = TypeVar("T")


def run_in(pool: ThreadPool, function: Callable[..., T], *arguments: Any) -> T:
    """Call `function` in a thread of the pool and wait for it; what it raises is raised here.

    `ThreadPool.apply` alone would also report every such error to the hub, as if nobody had caught it.
    """
    value, error = pool.apply(_outcome, (function, arguments))
    if error is not None:
        raise error
    return value  # type: ignore[no-any-return]


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    try:
        return function(*arguments), None
    except BaseException as error:  # noqa: BLE001 - it belongs to the caller
        return None, error
