"""Whether the work that came is what the server has ordered.

Looked at before anything of it is begun.

What is trusted is the key that the worker was given when it enrolled, its own identity and its own
clock. Whatever brought the work, and whatever TLS said of it, decides nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from opsicle.domain.bound_targets import BoundTarget
from opsicle.domain.label_expressions import ExpressionMistake, LabelTerm, parse_expression
from opsicle.domain.manifest_formats import FORMATS, SUPPORTED_FORMATS, FieldNotSupported
from opsicle.domain.manifests import NO_POLICY, Manifest, WorkOrder, canonical, commitment, digest
from opsicle.domain.names import environment_name
from opsicle.domain.secrets import named_secrets
from opsicle.domain.variables import environment_of
from opsicle.wire.jobs import TargetAccess, Work
from opsicle.wire.worker_api import SignedOrder
from opsicle.worker import order_signature
from opsicle.worker.identity import Identity
from opsicle.worker.replay_guard import CLOCK_SKEW

MAX_LIFETIME = timedelta(hours=1)
"""No order lives longer, so that those carried out need not be remembered for longer."""

_CLOCK_QUESTION = "is this worker's clock, or the server's, wrong?"

T = TypeVar("T", Manifest, WorkOrder)


class Refused(Exception):
    """The work is not carried out; the message says why, without anything secret.

    Never leaves the worker.

    `proof` shows the server that its order comes from an older state than there was.
    """

    proof: SignedOrder | None = None


class NotValidNow(Refused):
    """The order does not count at this time, by this machine's clock.

    Another worker may well carry it out.
    """


class NoRoom(Refused):
    """There is no room for what the job is given.

    Another worker may have some, or this one later.
    """


class Verifier:
    """Compares work with its order, for one worker.

    `granted` are the labels that its server has told it beyond those that it says of itself.
    """

    def __init__(self, identity: Identity, labels: Mapping[str, str]) -> None:
        self.granted: Mapping[str, str] = {}
        self._key = order_signature.load(identity.order_key_pem)
        self._identity = identity
        self._labels = labels
        self.take_epoch: Callable[[WorkOrder, SignedOrder], None] = lambda _order, _signed: None
        """Learns the epoch of an order that is good otherwise; raises Refused for one from the
        past."""

    def check(self, work: Work) -> WorkOrder:
        """Return the order that allows just this work, to this worker, now. Raises Refused.

        Whether it was carried out before is the journal's to say.
        """
        if not (work.order and work.signature and work.manifest):
            raise Refused("it came without a signed order")
        if not self._key.has_signed(work.order, work.signature):
            raise Refused(
                "its order is not signed with the key that this worker was given when it enrolled"
            )

        order = _decoded(work.order, WorkOrder)
        _require(self._about(order, work))
        self._check_time(order)
        if digest(work.manifest) != order.manifest_digest:
            raise Refused("its manifest is not the one that was ordered")

        manifest = _decoded(work.manifest, Manifest)
        _require(_in_manifest(manifest, order))
        _require(_in_work(manifest, order, work))
        if not work.withheld:  # else nothing of it is run, and what is secret did not come along
            _require(_secret(manifest, order, work))
        self._check_labels(manifest)
        if manifest.start_at is not None and order.issued_at < manifest.start_at:
            raise Refused("it is planned for later than its order is from")
        self._check_keeper(manifest)
        if manifest.fan_out is not None and not order.is_plan:
            raise Refused("it runs on several machines, and is for none itself")
        self.take_epoch(order, SignedOrder(work.order, work.signature))
        return order

    def _about(self, order: WorkOrder, work: Work) -> Iterator[tuple[str, object, object]]:
        # A shared worker serves every org that lets it, which its server knows.
        if not self._identity.is_shared:
            yield "org", order.org_id, self._identity.org_id
        yield "worker", order.worker_id, self._identity.worker_id
        yield "automation", order.automation_id, work.automation_id
        yield "job", order.job_id, work.job_id
        yield "fence", order.fence, work.fence

    def _check_time(self, order: WorkOrder) -> None:
        if order.issued_at.tzinfo is None or order.expires_at.tzinfo is None:
            raise Refused("its order does not say in which time zone its times are")

        now = datetime.now(UTC)
        if order.expires_at - order.issued_at > MAX_LIFETIME:
            raise Refused("its order is good for longer than any")
        if order.issued_at > now + CLOCK_SKEW:
            ahead = round((order.issued_at - now).total_seconds())
            raise NotValidNow(f"its order is from {ahead} s in the future: {_CLOCK_QUESTION}")
        if order.expires_at <= now - CLOCK_SKEW:
            late = round((now - order.expires_at).total_seconds())
            raise NotValidNow(f"its order expired {late} s ago: {_CLOCK_QUESTION}")

    def _check_keeper(self, manifest: Manifest) -> None:
        point = manifest.resumed_from
        kept = point.workspace if point else None
        if kept and kept.worker_id != self._identity.worker_id:
            raise Refused("it goes on in a workspace that another worker keeps")
        member = manifest.member_of.member if manifest.member_of else manifest.only_worker
        meant = member.worker_id if member else ""
        if meant not in {"", self._identity.worker_id}:
            raise Refused("it is for another worker alone")

    def _check_labels(self, manifest: Manifest) -> None:
        for key, value in manifest.runs_on.items():
            if value not in (self._labels.get(key), self.granted.get(key)):
                raise Refused(
                    f"it is for workers with the label {key}={value}, which this one has not"
                )
        for term in _terms(manifest.runs_on_where):
            known = {self._labels.get(term.key), self.granted.get(term.key)}
            held = [term.holds(value) for value in known]
            if not (all(held) if term.is_exclusion else any(held)):
                raise Refused(f"it is for workers with labels `{term}`, which this one has not")


def _terms(where: str) -> tuple[LabelTerm, ...]:
    try:
        return parse_expression(where) if where else ()
    except ExpressionMistake as mistake:
        raise Refused(f"which labels it asks for cannot be read: {mistake}") from mistake


def _in_manifest(manifest: Manifest, order: WorkOrder) -> Iterator[tuple[str, object, object]]:
    if manifest.format > 1:
        yield "approval", manifest.policy == NO_POLICY, not order.policy_digest
    yield "org", manifest.org_id, order.org_id
    yield "automation", manifest.automation_id, order.automation_id


def _in_work(
    manifest: Manifest, order: WorkOrder, work: Work
) -> Iterator[tuple[str, object, object]]:
    yield from _plan(manifest, order, work)
    yield "template", manifest.template, work.template
    yield "requester", manifest.requester, work.requester
    yield "phases", manifest.plan if order.is_plan else manifest.phases, work.phases

    yield "variables", environment_of(manifest.values), work.environment
    yield "files", manifest.files, work.files
    yield "mounts", manifest.volume_mounts, work.volume_mounts
    yield "time limit", manifest.timeout, work.timeout
    yield from _target(manifest.target, work.target)

    kept = None if order.is_plan else manifest.keep_workspace
    yield "how long its workspace is kept", kept, work.keep_workspace
    point = None if order.is_plan else manifest.resumed_from
    yield "what it goes on from", point, work.resumed_from
    if point is not None:
        yield "the phase to go on at", 0 <= point.first_phase < len(manifest.phases), True


def _target(
    ordered: BoundTarget | None, handed: TargetAccess | None
) -> Iterator[tuple[str, object, object]]:
    yield "whether it has a target", ordered is None, handed is None
    if ordered and handed:
        for field in ("name", "host", "port", "user", "host_keys"):
            yield f"its target's {field}", getattr(ordered, field), getattr(handed, field)


def _plan(manifest: Manifest, order: WorkOrder, work: Work) -> Iterator[tuple[str, object, object]]:
    """Say what keeps the two orders of a planned automation apart.

    The first one is for its plan, before that has shown anything; the other one for the rest, with
    the digest of what it has shown, as it was approved.
    """
    yield "whether this is its plan", order.is_plan, work.is_plan
    yield "its plan", bool(manifest.plan and not manifest.evidence), order.is_plan
    yield "what its plan has shown", bool(manifest.plan), order.is_plan or bool(manifest.evidence)
    yield "what its plan hands on", manifest.plan_outputs, work.plan_outputs


def _secret(
    manifest: Manifest, order: WorkOrder, work: Work
) -> Iterator[tuple[str, object, object]]:
    named = tuple(named_secrets(manifest.plan)) if order.is_plan else manifest.secrets
    yield "secrets", named, tuple(sorted(work.secret_values))
    ordered = {environment_name(name): text for name, text in manifest.secret_variables.items()}
    handed = {
        name: commitment(work.secret_salt, value) for name, value in work.secret_environment.items()
    }
    yield "secret variables", ordered, handed


def _require(pairs: Iterator[tuple[str, object, object]]) -> None:
    """Raise Refused at the first thing that was not ordered so. It is named, never quoted."""
    for name, one, other in pairs:
        if one != other:
            raise Refused(f"not as ordered: {name}")


def _decoded(content: bytes, kind: type[T]) -> T:
    """Return the message in its one canonical form.

    Nothing in it that is not known, nothing left out.
    """
    try:
        message = msgspec.json.decode(content, type=kind)
        is_known = message.format in FORMATS
        is_canonical = is_known and canonical(message) == content
    except (ValueError, msgspec.MsgspecError, RecursionError, FieldNotSupported):
        is_known, is_canonical = True, False

    if not is_known:
        known = " and ".join(map(str, SUPPORTED_FORMATS))
        raise Refused(
            f"its {kind.__name__.lower()} is in format {message.format}; this worker reads {known}"
        )
    if not is_canonical:
        raise Refused(f"its {kind.__name__.lower()} is not in the form that this worker knows")

    return message
