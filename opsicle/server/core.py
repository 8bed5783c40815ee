"""What the services stand on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from opsicle.domain.workers import EPHEMERAL_SILENT_SECONDS
from opsicle.kit.clock import Clock
from opsicle.security.audit_key import AuditKey
from opsicle.security.authority import Authority
from opsicle.security.binding_key import BindingKey
from opsicle.security.order_key import OrderKey
from opsicle.security.sealing import Seal
from opsicle.server.audit.remarks import ServerRemarks
from opsicle.server.channels.egress_bounds import EgressBounds
from opsicle.server.dispatch.job_artifacts import ArtifactBounds
from opsicle.server.dispatch.job_logs import LogBounds
from opsicle.server.forwarding.options import ForwardingOptions
from opsicle.server.keys.vault import Vault
from opsicle.server.store.database import Database
from opsicle.server.store.epochs import FIRST_EPOCH, Epoch
from opsicle.server.store.log_database import LogDatabase


class Core(msgspec.Struct, frozen=True):
    """What the services stand on."""

    state: Database
    logs: LogDatabase
    authority: Authority
    audit_key: AuditKey
    order_key: OrderKey
    binding_key: BindingKey
    clock: Clock
    seal: Seal
    vault: Vault
    remarks: ServerRemarks
    artifacts_folder: Path
    on_set_up: Callable[[], None] = lambda: None
    has_open_orgs: bool = False
    epoch: Epoch = FIRST_EPOCH
    egress_bounds: EgressBounds = msgspec.field(default_factory=EgressBounds)
    log_bounds: LogBounds = msgspec.field(default_factory=LogBounds)
    artifact_bounds: ArtifactBounds = msgspec.field(default_factory=ArtifactBounds)
    forwarding: ForwardingOptions = msgspec.field(default_factory=ForwardingOptions)
    replica_folder: Path | None = None
    ephemeral_silent_seconds: int = EPHEMERAL_SILENT_SECONDS
