"""The orders of an automation, and what they are to be compared with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.errors import NotFound
from opsicle.domain.manifest_formats import SUPPORTED_FORMATS, FieldNotSupported
from opsicle.domain.manifests import canonical, digest
from opsicle.security.binding_key import BindingKey
from opsicle.security.order_key import OrderPublicKey
from opsicle.server.access.actor import Actor
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.manifests import rebuild
from opsicle.server.automations.visible import get_visible
from opsicle.server.keys import order_keys
from opsicle.server.store import approvals, jobs, orders
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.jobs import JobRow
from opsicle.server.store.orders import OrderKeyRow, OrderRow
from opsicle.wire.order_api import KeptOrder, KnownOrderKey, OrderedJob, OrderTrail
from opsicle.wire.user_api import WorkerRef


class OrderTrails:
    """Shows orders to whoever may see their automation and who agreed to it."""

    def __init__(self, database: Database, binding_key: BindingKey) -> None:
        self._database = database
        self._binding_key = binding_key

    def get(self, actor: Actor, automation_id: str) -> OrderTrail:
        """Return the orders of one automation; nothing of them is verified here.

        Raises NotFound, also for an automation that the actor may not see.
        """
        actor.require(Action.AUTOMATIONS_VIEW)
        actor.require(Action.APPROVALS_VIEW)  # an order says who decided
        return self._database.read(lambda db: self._trail(db, actor, automation_id))

    def _trail(self, db: Connection, actor: Actor, automation_id: str) -> OrderTrail:
        row, _ = get_visible(db, actor, automation_id)
        kept = orders.list_of_jobs(db, row.id)
        by_job = {job: list(each) for job, each in groupby(kept, lambda order: order.job_id)}
        given = orders.count_given(db, row.id)
        return OrderTrail(
            automation_id=row.id,
            org_id=row.org_id,
            manifests=tuple(_manifests(db, row, {_named_manifest(order) for order in kept})),
            jobs=tuple(
                _job(job, by_job.get(job.id, []), given[job.id])
                for job in jobs.list_of_automation(db, row.id)
            ),
            keys=tuple(self._keys(db, row.org_id, {order.public_key for order in kept})),
        )

    def _keys(self, db: Connection, org_id: str, used: set[bytes]) -> Iterator[KnownOrderKey]:
        """Yield those of the keys that have signed something which this server knows."""
        known = order_keys.list_genuine(db, self._binding_key, org_id)
        own_last = sorted(known, key=lambda row: row.org_id == order_keys.OWN)
        for key in {row.public_key: row for row in own_last if row.public_key in used}.values():
            yield _order_key(key)


class _Named(msgspec.Struct):
    """The one field of an order that says which manifest is to be looked for."""

    manifest_digest: str = ""


def _named_manifest(order: OrderRow) -> str:
    """Return "" for an order that was altered, which whoever verifies it says."""
    return stored_json.read_or(order.content, _Named, _Named()).manifest_digest


def _manifests(db: Connection, row: AutomationRow, named: set[str]) -> Iterator[str]:
    """Yield what an automation's rows give of what was ordered.

    Its manifest in the formats of its workers, and that of its plan as it was before that ran.
    """
    variants = [(row, approvals.find_of_automation(db, row.id) if row.approval_id else None)]
    if row.evidence:
        variants.append((msgspec.structs.replace(row, evidence=""), None))
    for variant, approval in variants:
        for number in SUPPORTED_FORMATS:
            try:
                template = template_of(db, row.template_id, row.version)
                content = canonical(rebuild(db, variant, template, approval).in_format(number))
            except (NotFound, ValueError, msgspec.MsgspecError, RecursionError, FieldNotSupported):
                continue  # what was altered gives nothing that any order fits
            if digest(content) in named:
                yield content.decode()


def _job(job: JobRow, kept: list[OrderRow], given: int) -> OrderedJob:
    return OrderedJob(
        id=job.id,
        worker=WorkerRef(job.worker_id, job.worker_name),
        fence=job.fence,
        state=job.state,
        leased_at=job.leased_at,
        is_plan=job.is_plan,
        orders=tuple(
            KeptOrder(
                fence=order.fence,
                content=order.content,
                signature=order.signature,
                key=OrderPublicKey.fingerprint_of(order.public_key),
            )
            for order in kept
        ),
        missing=max(0, given - len(kept)),
    )


def _order_key(row: OrderKeyRow) -> KnownOrderKey:
    key = OrderPublicKey.of_raw(row.public_key)
    return KnownOrderKey(
        fingerprint=key.fingerprint,
        public_key=key.pem,
        first_used_at=row.first_used_at,
        is_own=row.org_id == order_keys.OWN,
    )
