"""Every way we know to hand a worker something that was not ordered so.

Each is a function of one piece of real work.

Who does it: `_between` alters what a real server sent, without its key. `_unknown` is a server
with a key of its own. `_server` has the real key, and orders what this worker must not do all the
same.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from opsicle.domain.manifests import Manifest, WorkOrder, canonical, digest
from opsicle.domain.templates import Phase, VolumeMount, When
from opsicle.security.order_key import OrderKey
from opsicle.wire.jobs import Work
from tests.worker.signed_work import ordered, signed

replace = msgspec.structs.replace
MINUTE = timedelta(minutes=1)


@dataclass
class Site:
    """A piece of real work, another one, the real key, and chance."""

    work: Work
    other: Work
    key: OrderKey
    rng: random.Random
    judge: str

    @property
    def order(self) -> WorkOrder:
        return msgspec.json.decode(self.work.order, type=WorkOrder)

    @property
    def manifest(self) -> Manifest:
        return msgspec.json.decode(self.work.manifest, type=Manifest)

    def with_phase(self, **changes: Any) -> Work:
        first, *rest = self.work.phases
        return replace(self.work, phases=(replace(first, **changes), *rest))

    def with_order(self, **changes: Any) -> Work:
        """By the real server: an order that says something else."""
        return signed(
            self.work, self.key, self.work.manifest, canonical(replace(self.order, **changes))
        )

    def with_manifest(self, **changes: Any) -> Work:
        """By the real server: the manifest says something else, and the order allows it."""
        manifest = canonical(replace(self.manifest, **changes))
        order = canonical(replace(self.order, manifest_digest=digest(manifest)))
        return signed(self.work, self.key, manifest, order)

    def with_order_text(self, change: Callable[[dict[str, Any]], object]) -> Work:
        """By the real server: an order in another form."""
        return signed(self.work, self.key, self.work.manifest, _changed(self.work.order, change))

    def with_manifest_text(self, change: Callable[[dict[str, Any]], object]) -> Work:
        """By the real server: a manifest in another form, and an order for just that."""
        manifest = _changed(self.work.manifest, change)
        return signed(
            self.work,
            self.key,
            manifest,
            canonical(replace(self.order, manifest_digest=digest(manifest))),
        )

    def flipped(self, content: bytes) -> bytes:
        """Return the content with one bit turned over."""
        altered = bytearray(content)
        altered[self.rng.randrange(len(altered))] ^= 1 << self.rng.randrange(8)
        return bytes(altered)


def _changed(content: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    fields = msgspec.json.decode(content)
    change(fields)
    return msgspec.json.encode(fields, order="sorted")


def _without_any(fields: dict[str, Any], rng: random.Random) -> None:
    del fields[rng.choice(sorted(fields))]


def _variables(site: Site, **changes: str) -> Work:
    return replace(site.work, environment=site.work.environment | changes)


UNKNOWN_KEY = OrderKey.create()

BETWEEN: dict[str, Callable[[Site], Work]] = {
    "another command": lambda s: s.with_phase(commands=(f"echo {s.work.job_id} >> {s.judge}; id",)),
    "one command more": lambda s: s.with_phase(commands=(*s.work.phases[0].commands, "id")),
    "commands in another order": lambda s: s.with_phase(commands=s.work.phases[0].commands[::-1]),
    "another shell": lambda s: s.with_phase(shell="/bin/bash"),
    "another phase environment": lambda s: s.with_phase(env={"LD_PRELOAD": "/tmp/x.so"}),
    "another folder": lambda s: s.with_phase(working_directory="/tmp"),
    "another condition": lambda s: s.with_phase(when=When.ALWAYS),
    "another phase time": lambda s: s.with_phase(timeout=61),
    "another phase name": lambda s: s.with_phase(name="harmless"),
    "a secret for a phase": lambda s: s.with_phase(secrets=("db-password", "root-password")),
    "a phase more": lambda s: replace(
        s.work, phases=(*s.work.phases, Phase(name="x", commands=(f"echo x >> {s.judge}",)))
    ),
    "a phase less": lambda s: replace(s.work, phases=s.work.phases[:1]),
    "phases in another order": lambda s: replace(s.work, phases=s.work.phases[::-1]),
    "another value": lambda s: _variables(s, OPSICLE_VAR_WHO="$(id)"),
    "a value more": lambda s: _variables(s, OPSICLE_VAR_PATH="/tmp"),
    "a variable of the system": lambda s: _variables(s, LD_PRELOAD="/tmp/x.so"),
    "no values": lambda s: replace(s.work, environment={}),
    "another secret value": lambda s: replace(
        s.work, secret_environment={"OPSICLE_VAR_PIN_CODE": "sesame-open"}
    ),
    "no secret value": lambda s: replace(s.work, secret_environment={}),
    "another salt": lambda s: replace(s.work, secret_salt=b"0" * 32),
    "no salt": lambda s: replace(s.work, secret_salt=b""),
    "a secret more": lambda s: replace(
        s.work, secret_values=s.work.secret_values | {"root-password": "sesame-open"}
    ),
    "a secret less": lambda s: replace(s.work, secret_values={}),
    "another requester": lambda s: replace(s.work, requester="ceo@example.com"),
    "another template": lambda s: replace(s.work, template="harmless"),
    "another automation": lambda s: replace(s.work, automation_id=s.other.automation_id),
    "another job": lambda s: replace(s.work, job_id=s.other.job_id),
    "an invented job": lambda s: replace(s.work, job_id=f"j{s.rng.getrandbits(60)}"),
    "a later fence": lambda s: replace(s.work, fence=s.work.fence + 1),
    "another time limit": lambda s: replace(s.work, timeout=86_400),
    "a mount": lambda s: replace(s.work, volume_mounts=(VolumeMount("/", "/host"),)),
    "another's order": lambda s: replace(s.work, order=s.other.order, signature=s.other.signature),
    "another's manifest": lambda s: replace(s.work, manifest=s.other.manifest),
    "another's order and manifest": lambda s: replace(
        s.work, order=s.other.order, signature=s.other.signature, manifest=s.other.manifest
    ),
    "another's signature": lambda s: replace(s.work, signature=s.other.signature),
    "no signature": lambda s: replace(s.work, signature=b""),
    "a short signature": lambda s: replace(
        s.work, signature=s.work.signature[: s.rng.randrange(64)]
    ),
    "a long signature": lambda s: replace(s.work, signature=s.work.signature + b"\0"),
    "no order": lambda s: replace(s.work, order=b""),
    "no manifest": lambda s: replace(s.work, manifest=b""),
    "work of a server that gives no orders": lambda s: replace(
        s.work, order=b"", manifest=b"", signature=b"", secret_salt=b""
    ),
    "a bit of the order": lambda s: replace(s.work, order=s.flipped(s.work.order)),
    "a bit of the manifest": lambda s: replace(s.work, manifest=s.flipped(s.work.manifest)),
    "a bit of the signature": lambda s: replace(s.work, signature=s.flipped(s.work.signature)),
    "a space behind the order": lambda s: replace(s.work, order=s.work.order + b" "),
    "a space behind the manifest": lambda s: replace(s.work, manifest=s.work.manifest + b" "),
    "an order that lives on": lambda s: replace(
        s.work, order=canonical(replace(s.order, expires_at=s.order.expires_at + MINUTE))
    ),
    "an order for this very manifest": lambda s: replace(
        s.work,
        phases=s.with_phase(commands=("id",)).phases,
        manifest=canonical(replace(s.manifest, phases=s.with_phase(commands=("id",)).phases)),
    ),
}

UNKNOWN_SIGNERS: dict[str, Callable[[Site], Work]] = {
    "real work, signed by a stranger": lambda s: replace(
        s.work, signature=UNKNOWN_KEY.sign(s.work.order)
    ),
    "real work, ordered by a stranger": lambda s: ordered(s.work, UNKNOWN_KEY, s.manifest),
    "invented work": lambda s: ordered(
        Work(
            automation_id="a-invented",
            job_id=f"j{s.rng.getrandbits(60)}",
            fence=s.rng.randrange(1, 9),
            template="invented",
            requester="ceo@example.com",
            phases=(Phase(name="x", commands=(f"echo invented >> {s.judge}",)),),
        ),
        UNKNOWN_KEY,
    ),
}

SERVERS: dict[str, Callable[[Site], Work]] = {
    "for another worker": lambda s: s.with_order(worker_id="w2"),
    "for another org": lambda s: s.with_order(org_id="o2"),
    "for another org in both": lambda s: signed(
        s.work,
        s.key,
        manifest := canonical(replace(s.manifest, org_id="o2")),
        canonical(replace(s.order, org_id="o2", manifest_digest=digest(manifest))),
    ),
    "with another org's manifest": lambda s: s.with_manifest(org_id="o2"),
    "with another automation's manifest": lambda s: s.with_manifest(
        automation_id=s.other.automation_id
    ),
    "for another job": lambda s: s.with_order(job_id=s.other.job_id),
    "for an earlier lease": lambda s: s.with_order(fence=s.work.fence - 1),
    "expired": lambda s: s.with_order(
        issued_at=s.order.issued_at - 7 * MINUTE, expires_at=s.order.expires_at - 7 * MINUTE
    ),
    "expired long ago": lambda s: s.with_order(
        issued_at=s.order.issued_at - timedelta(days=400),
        expires_at=s.order.expires_at - timedelta(days=400),
    ),
    "from the future": lambda s: s.with_order(
        issued_at=s.order.issued_at + 7 * MINUTE, expires_at=s.order.expires_at + 7 * MINUTE
    ),
    "good for a day": lambda s: s.with_order(expires_at=s.order.issued_at + timedelta(days=1)),
    "in a format of before": lambda s: s.with_order_text(lambda order: order.update(format=0)),
    "in a later format": lambda s: s.with_order_text(lambda order: order.update(format=3)),
    "with a manifest in a format of before": lambda s: s.with_manifest_text(
        lambda manifest: manifest.update(format=0)
    ),
    "with a manifest in a later format": lambda s: s.with_manifest_text(
        lambda manifest: manifest.update(format=3)
    ),
    "with a manifest in another format than it says": lambda s: s.with_manifest_text(
        lambda manifest: manifest.update(format=1)
    ),
    "without approval where the manifest has a policy": lambda s: s.with_manifest(policy="0" * 64),
    "for workers with a label": lambda s: s.with_manifest(runs_on={"zone": "vault"}),
    "for workers that fulfil an expression": lambda s: s.with_manifest(runs_on_where="zone"),
    "with an expression that cannot be read": lambda s: s.with_manifest(runs_on_where="in ("),
    "with a part of the order missing": lambda s: s.with_order_text(
        lambda f: _without_any(f, s.rng)
    ),
    "with a part of the manifest missing": lambda s: s.with_manifest_text(
        lambda f: _without_any(f, s.rng)
    ),
    "with more in the order": lambda s: s.with_order_text(lambda f: f.update(also="this")),
    "with more in the manifest": lambda s: s.with_manifest_text(lambda f: f.update(also="this")),
    "with more in a phase": lambda s: s.with_manifest_text(
        lambda f: f["phases"][0].update(also="this")
    ),
    "with less in a phase": lambda s: s.with_manifest_text(lambda f: f["phases"][0].pop("shell")),
    "with no JSON for an order": lambda s: signed(s.work, s.key, s.work.manifest, b"\xff{"),
    "with a list for an order": lambda s: signed(s.work, s.key, s.work.manifest, b"[]"),
    "with nested nonsense": lambda s: signed(s.work, s.key, s.work.manifest, b"[" * 100_000),
    "without any time zone": lambda s: s.with_order(
        issued_at=s.order.issued_at.replace(tzinfo=None),
        expires_at=s.order.expires_at.replace(tzinfo=None),
    ),
}
