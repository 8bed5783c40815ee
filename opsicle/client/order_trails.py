"""Verifying what workers were ordered to do, with nothing of the server's but public keys.

The browser does the same: assets/lib/order-verification.js.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from opsicle.domain.manifests import digest
from opsicle.security.order_key import OrderPublicKey
from opsicle.wire.order_api import KeptOrder, OrderedJob, OrderTrail


class OrderVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What has come of verifying one order. `problem` is "" for one that is as it was signed.

    What is not known of an order that is gone, or cannot be read, is left empty. `decisions` are
    those that the order names, `signature` is in hex.
    """

    job: str
    worker: str
    fence: int
    is_plan: bool
    ordered_at: datetime | None = None
    goes_on: str = ""
    decisions: tuple[str, ...] = ()
    manifest_digest: str = ""
    signature: str = ""
    key: str = ""
    problem: str = ""


class TrailVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What has come of verifying all orders of an automation.

    `not_kept` are jobs whose orders were given by a version that kept none.
    """

    automation_id: str
    orders: tuple[OrderVerdict, ...]
    not_kept: tuple[str, ...]

    @property
    def problems(self) -> int:
        """How many orders do not verify."""
        return sum(1 for order in self.orders if order.problem)


class OrderFields(msgspec.Struct, frozen=True):
    """What is read of an order once its signature is found to be right, in any format."""

    org_id: str
    worker_id: str
    automation_id: str
    job_id: str
    fence: int
    manifest_digest: str
    issued_at: datetime
    decisions: tuple[dict[str, Any], ...] = ()
    resume: dict[str, Any] | None = None
    is_plan: bool = False


def verify_trail(trail: OrderTrail, pinned: OrderPublicKey | None = None) -> TrailVerdict:
    """Return what each order of an automation proves.

    With `pinned` only that key counts, else those that the server says were its own, or of servers
    from which the org came.
    """
    keys = [pinned] if pinned else [OrderPublicKey.load(key.public_key) for key in trail.keys]
    by_name = {key.fingerprint: key for key in keys}
    digests = {digest(manifest.encode()) for manifest in trail.manifests}
    return TrailVerdict(
        automation_id=trail.automation_id,
        orders=tuple(
            verdict for job in trail.jobs for verdict in _verdicts(trail, job, by_name, digests)
        ),
        not_kept=tuple(job.id for job in trail.jobs if not job.orders and not job.missing),
    )


def _verdicts(
    trail: OrderTrail, job: OrderedJob, keys: dict[str, OrderPublicKey], digests: set[str]
) -> Iterator[OrderVerdict]:
    for order in job.orders:
        fields = _read(order)
        is_last = order is job.orders[-1]
        problem = _signature_problem(order, keys) or (
            _content_problem(trail, job, order, fields, is_last=is_last, digests=digests)
        )
        yield OrderVerdict(
            job=job.id,
            worker=job.worker.name,
            fence=order.fence,
            is_plan=job.is_plan,
            ordered_at=fields.issued_at if fields else None,
            goes_on=str((fields.resume or {}).get("verdict", "")) if fields else "",
            decisions=tuple(map(_decision, fields.decisions)) if fields else (),
            manifest_digest=fields.manifest_digest if fields else "",
            signature=order.signature.hex(),
            key=order.key,
            problem=problem,
        )
    for _ in range(job.missing):
        gone = "an order that was given for this job is gone"
        yield OrderVerdict(
            job=job.id, worker=job.worker.name, fence=job.fence, is_plan=job.is_plan, problem=gone
        )


def _signature_problem(order: KeptOrder, keys: dict[str, OrderPublicKey]) -> str:
    key = keys.get(order.key)
    if key is None:
        return f"it is signed with a key that is not known here, {order.key}"
    return "" if key.has_signed(order.content, order.signature) else "its signature does not fit it"


def _content_problem(
    trail: OrderTrail,
    job: OrderedJob,
    order: KeptOrder,
    fields: OrderFields | None,
    *,
    is_last: bool,
    digests: set[str],
) -> str:
    if fields is None:
        return "it cannot be read"
    compared = (
        ("org", fields.org_id, trail.org_id),
        ("automation", fields.automation_id, trail.automation_id),
        ("job", fields.job_id, job.id),
        ("worker", fields.worker_id, job.worker.id),
        ("plan", fields.is_plan, job.is_plan),
        ("fence", fields.fence, order.fence),
        ("fence", job.fence if is_last else fields.fence, fields.fence),
    )
    for name, ordered, stored in compared:
        if ordered != stored:
            return f"what is stored is not as it was ordered: {name}"
    if fields.manifest_digest not in digests:
        return "what is stored of the automation is not what was ordered"
    return ""


def _read(order: KeptOrder) -> OrderFields | None:
    try:
        return msgspec.json.decode(order.content, type=OrderFields)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return None


def _decision(decision: dict[str, Any]) -> str:
    return f"{decision.get('email')} {decision.get('decision')} {decision.get('gate')}"
