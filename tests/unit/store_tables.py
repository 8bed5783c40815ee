"""Which tables grow with use."""

GROWING = {
    "approval_decisions",
    "approvals",
    "audit_checkpoints",
    "audit_entries",
    "automations",
    "deliveries",
    "idempotency_keys",
    "invitations",
    "jobs",
    "join_tokens",
    "login_attempts",
    "notices",
    "policy_versions",
    "sealed_values",
    "segments",
    "sessions",
    "template_versions",
    "tokens",
    "workers",
}
