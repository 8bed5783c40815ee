"""Every table of the server, as far as an org's move to another server is concerned.

A table is either taken along, with the condition that says which rows of it are an org's, or left
behind, with the reason. A test walks the schema: a table that stands in neither makes it red.
Conditions have the org's id as `:org`; they are literals of this file.
"""

from __future__ import annotations

_OWN = "org_id = :org"
_MEMBERS = "user_id IN (SELECT user_id FROM memberships WHERE org_id = :org)"
_CHANNELS = "channel_id IN (SELECT id FROM channels WHERE org_id = :org)"
_TRIGGERS = "trigger_id IN (SELECT id FROM triggers WHERE org_id = :org)"
_JOBS = "job_id IN (SELECT id FROM jobs WHERE org_id = :org)"
_KEYS = (
    "org_id = :org OR (org_id = '' AND public_key IN (SELECT public_key FROM orders"
    " WHERE job_id IN (SELECT id FROM jobs WHERE org_id = :org)))"
)
_LOGS = "job_id IN (SELECT job_id FROM job_logs WHERE org_id = :org)"

USERS = "users"
"""Goes along as far as another table that does names somebody."""

STATE_TABLES = {
    "account_owners": _OWN,
    "approval_decisions": _OWN,
    "approvals": _OWN,
    "artifacts": _OWN,
    "audit_entries": _OWN,
    "authenticators": _MEMBERS,
    "automation_files": _OWN,
    "automations": _OWN,
    "call_waits": _OWN,
    "calls": _OWN,
    "chain_starts": _OWN,
    "channels": _OWN,
    "chat_links": _OWN,
    "contents": _OWN,
    "deliveries": _OWN,
    "fan_out_members": _OWN,
    "group_members": _OWN,
    "groups": _OWN,
    "idempotency_keys": _OWN,
    "invitations": _OWN,
    "jobs": _OWN,
    "log_tails": _OWN,
    "memberships": _OWN,
    "notice_preferences": _CHANNELS,
    "order_keys": _KEYS,
    "orders": _JOBS,
    "orgs": "id = :org",
    "policies": _OWN,
    "policy_versions": _OWN,
    "recovery_codes": _MEMBERS,
    "removals": _OWN,
    "roles": _OWN,
    "schedule_versions": _OWN,
    "schedules": _OWN,
    "sealed_values": _OWN,
    "secret_uses": _OWN,
    "secrets": _OWN,
    "target_last_runs": _OWN,
    "target_versions": _OWN,
    "targets": _OWN,
    "template_versions": _OWN,
    "templates": _OWN,
    "tokens": _OWN,
    "trigger_calls": _OWN,
    "trigger_receipts": _TRIGGERS,
    "trigger_secrets": _OWN,
    "trigger_versions": _OWN,
    "triggers": _OWN,
    "uploads": _OWN,
    "workers": "(org_id = :org AND NOT is_shared)"
    " OR id IN (SELECT worker_id FROM jobs WHERE org_id = :org)",
}

CHECKPOINT_TABLES = {"audit_checkpoints": _OWN, "audit_checkpoint_gaps": _OWN}
"""In an export, to verify its record by. The other server signs anew what it takes over."""

LOG_TABLES = {
    "gaps": _LOGS,
    "job_logs": _OWN,
    "segment_lines": _LOGS,
    "segments": _LOGS,
    "usage": _OWN,
}

LEFT_BEHIND = {
    "announcements": "what those who run the old server have to say",
    "audit_exports": "which checkpoints of the old server somebody has; the new one signs its own",
    "audit_heads": "replaceable; an export ends with a checkpoint that stays",
    "automation_hours": "counted anew as the automations come",
    "automation_totals": "counted anew as the automations come",
    "concurrency_changes": "what has changed in groups; nothing waits in an org that moved",
    "content_usage": "counted anew as the contents come",
    "forwarding_cursors": "the new server forwards from the entry on that says where it came from",
    "join_tokens": "workers enrol at the new server, by tokens of its own",
    "link_codes": "good for minutes; asked for again",
    "login_attempts": "of the old server's throttle",
    "losses": "what the old server has lost of all logs; an automation says it of its own",
    "org_removals": "orgs that are just being removed",
    "password_resets": "links that lead to the old server; asked for again",
    "sessions": "people log in at the new server",
    "settings": "the old server's own",
}

RIGHTS = (
    ("account_owners", "owner_id"),
    ("chat_links", "user_id"),
    ("group_members", "user_id"),
    ("memberships", "user_id"),
    ("memberships", "manager_id"),
    ("memberships", "owner_id"),
    ("notice_preferences", "user_id"),
)
"""Where it stands what somebody may do. All else says what an account has done, and stays as it
is: digests and the record cover it."""
