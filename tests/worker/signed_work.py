"""Orders as a server makes them, and as it never would: for the stand-in of the server."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from opsicle.domain.automations import WorkerLost
from opsicle.domain.bound_targets import BoundTarget
from opsicle.domain.manifests import NO_POLICY, Manifest, WorkOrder, canonical, commitment, digest
from opsicle.security.order_key import OrderKey
from opsicle.wire.jobs import TargetAccess, Work

PREFIX = "OPSICLE_VAR_"
ORG_ID, WORKER_ID = "o1", "w1"


def manifest_of(work: Work, **changes: Any) -> Manifest:
    """Return the manifest that allows just this work."""
    facts = {
        "org_id": ORG_ID,
        "automation_id": work.automation_id,
        "template": work.template,
        "version": 1,
        "template_digest": "sha256:" + "0" * 64,
        "phases": work.phases,
        "values": {_variable(name): text for name, text in work.environment.items()},
        "secret_variables": {
            _variable(name): commitment(work.secret_salt, text)
            for name, text in work.secret_environment.items()
        },
        "secrets": tuple(sorted(work.secret_values)),
        "volume_mounts": work.volume_mounts,
        "runs_on": {},
        "timeout": work.timeout,
        "files": work.files,
        "on_worker_lost": WorkerLost.UNKNOWN,
        "requester_id": "u1",
        "requester": work.requester,
        "reason": "",
        "principal_id": "u1",
        "policy": NO_POLICY,
        "resumed_from": work.resumed_from,
        "keep_workspace": work.keep_workspace,
        "target": _bound(work.target) if work.target else None,
    }
    return Manifest(**(facts | changes))


def order_of(work: Work, manifest: bytes, **changes: Any) -> WorkOrder:
    """Return an order for this work, good for a minute."""
    now = datetime.now(UTC)
    facts = {
        "org_id": ORG_ID,
        "worker_id": WORKER_ID,
        "automation_id": work.automation_id,
        "job_id": work.job_id,
        "fence": work.fence,
        "nonce": secrets.token_hex(16),
        "manifest_digest": digest(manifest),
        "issued_at": now,
        "expires_at": now + timedelta(seconds=60),
    }
    return WorkOrder(**(facts | changes))


def ordered(work: Work, key: OrderKey, manifest: Manifest | None = None, **changes: Any) -> Work:
    """Return the work with its manifest (or another) and a signed order with `changes`."""
    written = canonical(manifest or manifest_of(work))
    return signed(work, key, written, canonical(order_of(work, written, **changes)))


def signed(work: Work, key: OrderKey, manifest: bytes, order: bytes) -> Work:
    """Return the work with just these bytes, and the key's signature of the order."""
    return msgspec.structs.replace(work, manifest=manifest, order=order, signature=key.sign(order))


def _bound(target: TargetAccess) -> BoundTarget:
    facts = {name: getattr(target, name) for name in ("name", "host", "port", "user", "host_keys")}
    return BoundTarget(**facts, secret="ssh-key")


def _variable(name: str) -> str:
    return name.removeprefix(PREFIX).lower()
