"""Every table of the server: who removes from it what is needed no longer, or why it stays small.

The key is the table. An owner is the method that prunes, as `package.module:Class.method`; a reason
is a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

_SERVER = "opsicle.server"
RETENTION = f"{_SERVER}.automations.retention:Retention.prune"
LOGS = f"{_SERVER}.logs.retention:LogRetention.prune"


@dataclass(frozen=True)
class Table:
    """`pruned_by` or `small_because`; `grows` with use, so that nothing may walk through it."""

    pruned_by: str = ""
    small_because: str = ""
    grows: bool = False


PEOPLE = "one row for each person, at most a few"
MADE_BY_PEOPLE = "what people set up by hand, and delete"
PUSHED = (
    "one row for each change that somebody pushed; what ran names its version, so that they stay"
)

TABLES = {
    "account_owners": Table(small_because="one row for each service account that there ever was"),
    "announcements": Table(f"{_SERVER}.operation.announcements:Announcements.create"),
    "approval_decisions": Table(RETENTION, grows=True),
    "approvals": Table(RETENTION, grows=True),
    "artifacts": Table(RETENTION, grows=True),
    "audit_checkpoint_gaps": Table(
        small_because="at most one between two checkpoints that stay", grows=True
    ),
    "audit_checkpoints": Table(f"{_SERVER}.audit.thinning:CheckpointThinning.thin", grows=True),
    "audit_entries": Table(f"{_SERVER}.audit.checkpoints:AuditCheckpoints.prune", grows=True),
    "audit_exports": Table(
        small_because="one row for each export that somebody has made", grows=True
    ),
    "audit_heads": Table(small_because="one row for each org"),
    "authenticators": Table(small_because=PEOPLE),
    "automation_files": Table(RETENTION, grows=True),
    "automation_hours": Table(small_because="the last 31 days of each org, by the hour"),
    "automation_totals": Table(small_because="one row for each org"),
    "automations": Table(RETENTION, grows=True),
    "call_waits": Table(RETENTION, grows=True),
    "calls": Table(RETENTION, grows=True),
    "chain_starts": Table(RETENTION, grows=True),
    "channels": Table(small_because=MADE_BY_PEOPLE),
    "chat_links": Table(small_because=PEOPLE),
    "concurrency_changes": Table(
        small_because="what has changed in concurrency groups since they were advanced"
    ),
    "content_usage": Table(small_because="one row for each org"),
    "contents": Table(f"{_SERVER}.contents.content_sweep:ContentSweep.turn", grows=True),
    "deliveries": Table(f"{_SERVER}.channels.sender:DeliverySender.prune", grows=True),
    "fan_out_members": Table(RETENTION, grows=True),
    "forwarding_cursors": Table(small_because="one row for each destination and org"),
    "gaps": Table(
        small_because="one row for each piece of a log that the server lost; gone with its job"
    ),
    "group_members": Table(small_because=PEOPLE),
    "groups": Table(small_because=MADE_BY_PEOPLE),
    "idempotency_keys": Table(
        f"{_SERVER}.automations.repeated_requests:forget_requests", grows=True
    ),
    "invitations": Table(
        small_because="one row for each invitation that somebody sent by hand", grows=True
    ),
    "job_logs": Table(RETENTION, grows=True),
    "jobs": Table(RETENTION, grows=True),
    "join_tokens": Table(
        small_because="one row for each worker that somebody enrolled", grows=True
    ),
    "link_codes": Table(small_because=PEOPLE),
    "log_tails": Table(f"{_SERVER}.dispatch.log_tails:LogTails.flush"),
    "login_attempts": Table(f"{_SERVER}.identity.login_throttle:LoginThrottle.begin", grows=True),
    "losses": Table(small_because="one row for each time that the logs were lost"),
    "memberships": Table(small_because=PEOPLE),
    "notice_preferences": Table(small_because=PEOPLE),
    "order_keys": Table(small_because="one row for each key that an org's orders were signed with"),
    "orders": Table(RETENTION, grows=True),
    "org_removals": Table(small_because="one row for each org that is just being removed"),
    "orgs": Table(small_because=MADE_BY_PEOPLE),
    "password_resets": Table(small_because=PEOPLE),
    "policies": Table(small_because=MADE_BY_PEOPLE),
    "policy_versions": Table(small_because=PUSHED, grows=True),
    "recovery_codes": Table(small_because=PEOPLE),
    "removals": Table(small_because="one row for each org"),
    "roles": Table(small_because=MADE_BY_PEOPLE),
    "schedule_versions": Table(small_because=PUSHED, grows=True),
    "schedules": Table(small_because=MADE_BY_PEOPLE),
    "sealed_values": Table(RETENTION, grows=True),
    "secret_uses": Table(small_because="one row for each secret"),
    "secrets": Table(small_because=MADE_BY_PEOPLE),
    "segment_lines": Table(LOGS, grows=True),
    "segments": Table(LOGS, grows=True),
    "sessions": Table(f"{_SERVER}.identity.sessions:Sessions.begin", grows=True),
    "settings": Table(small_because="a handful of names, all of them in the program"),
    "target_last_runs": Table(
        small_because="two rows at most for each template and target that it ran on", grows=True
    ),
    "target_versions": Table(small_because=PUSHED, grows=True),
    "targets": Table(small_because=MADE_BY_PEOPLE),
    "template_versions": Table(small_because=PUSHED, grows=True),
    "templates": Table(small_because=MADE_BY_PEOPLE),
    "tokens": Table(small_because="what people make by hand, and delete", grows=True),
    "trigger_calls": Table(small_because="the newest 60 of each trigger"),
    "trigger_receipts": Table(f"{_SERVER}.triggers.hooks:Hooks.call", grows=True),
    "trigger_secrets": Table(small_because=MADE_BY_PEOPLE),
    "trigger_versions": Table(small_because=PUSHED, grows=True),
    "triggers": Table(small_because=MADE_BY_PEOPLE),
    "usage": Table(small_because="one row for each org"),
    "uploads": Table(f"{_SERVER}.files.service:Files.expire", grows=True),
    "users": Table(small_because=PEOPLE),
    "workers": Table(small_because="one row for each worker that was ever enrolled", grows=True),
}

GROWING = {name for name, table in TABLES.items() if table.grows}
