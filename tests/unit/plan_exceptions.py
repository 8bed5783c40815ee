"""Statements whose plan looks like a walk, and the reason why each is none or may be one."""

from __future__ import annotations

ONE_STEP = "the first row in the order of the index, and no further"
ONE_PAGE = "read in the order of the index, and no further than one page"
OPEN_ALONE = "an index of what is open, which does not grow with the past"
IN_SERVICE = "the workers of one org that are in service, where something of it is queued"
OF_AN_UPGRADE = "for `opsicle upgrade --check`, which no server runs, on a copy"
OF_A_PERSON = "those of one person"

OF_A_REMOVAL = "once, when a whole org is removed for good"
CHECKPOINTS = "for an export, a verification or the thinning, which need them all, in a thread"

EXCEPTIONS = {
    (
        "whole_documents.count_open_by_format",
        "SCAN automations USING INDEX automations_open",
    ): OPEN_ALONE,
    ("whole_documents.count_open_by_format", "USE TEMP B-TREE FOR GROUP BY"): OF_AN_UPGRADE,
    (
        "org_removals.list_automations",
        "SEARCH automations USING COVERING INDEX automations_by_org (org_id=?)",
    ): ONE_PAGE,
    (
        "org_removals.list_own_workers",
        "SEARCH workers USING INDEX workers_by_org (org_id=?)",
    ): OF_A_REMOVAL,
    (
        "org_removals.shut_out",
        "SEARCH workers USING INDEX workers_by_org (org_id=?)",
    ): OF_A_REMOVAL,
    (
        "org_removals.shut_out",
        "SEARCH tokens USING INDEX tokens_by_user (org_id=?)",
    ): OF_A_REMOVAL,
    ("org_removals.shut_out", "SCAN join_tokens"): OF_A_REMOVAL,
    ("org_removals.shut_out", "SCAN sessions"): OF_A_REMOVAL,
    ("sessions.delete_beyond", "USE TEMP B-TREE FOR ORDER BY"): OF_A_PERSON,
    (
        "invitations.open_until",
        "SEARCH invitations USING INDEX invitations_open (org_id=?)",
    ): OPEN_ALONE,
    (
        "fan_outs.list_open",
        "SCAN automations USING INDEX automations_fanning_out",
    ): "what runs on several machines just now",
    ("calls.list_open", "SCAN c USING INDEX calls_open"): "what is called just now",
    ("calls.list_pending", "SCAN c USING INDEX calls_open"): "what is called just now",
    ("chains.list_due", "SCAN c USING INDEX chain_starts_due"): "what is due just now, one page",
    ("deliveries.list_due", "USE TEMP B-TREE FOR GROUP BY"): OPEN_ALONE,
    (
        "deliveries.list_due",
        "SCAN deliveries USING INDEX deliveries_sending",
    ): "what is being sent just now",
    ("deliveries.has_open", "SCAN deliveries USING INDEX deliveries_open"): ONE_STEP,
    ("approvals.list_decisions", "USE TEMP B-TREE FOR ORDER BY"): "of one approval: a handful",
    ("approvals.list_newest", "SEARCH approvals USING INDEX approvals_by_org (org_id=?)"): ONE_PAGE,
    (
        "audit.find_first_since",
        "SEARCH audit_entries USING PRIMARY KEY (org_id=?)",
    ): "for retention, in a thread; it ends at the first entry that stays",
    ("audit.find_first", "SEARCH audit_entries USING PRIMARY KEY (org_id=?)"): ONE_STEP,
    **{
        (
            f"audit_checkpoints.{function}",
            f"SEARCH {table} USING PRIMARY KEY (org_id=?)",
        ): CHECKPOINTS
        for function in ("list_all", "list_kept")
        for table in ("audit_checkpoints", "audit_checkpoint_gaps")
    },
    (
        "audit_checkpoints.list_exported",
        "SEARCH audit_exports USING PRIMARY KEY (org_id=?)",
    ): CHECKPOINTS,
    ("audit_checkpoints.exists", "SCAN audit_checkpoints"): ONE_STEP,
    (
        "automations.count_by_state",
        "SCAN automations USING COVERING INDEX automations_open",
    ): OPEN_ALONE,
    ("automations.count_by_state", "USE TEMP B-TREE FOR GROUP BY"): "three groups",
    (
        "waiting.count_waiting",
        "SCAN automations USING INDEX automations_queued",
    ): "the queue, in a thread",
    (
        "waiting.count_waiting",
        "USE TEMP B-TREE FOR ORDER BY",
    ): "of what different automations ask for",
    (
        "automations.list_newest",
        "SEARCH automations USING COVERING INDEX automations_by_org (org_id=?)",
    ): ONE_PAGE,
    (
        "concurrency.count_behind",
        "SCAN automations USING INDEX automations_in_concurrency_group",
    ): "what waits in groups, in a thread",
    ("run_windows.count_early", "SCAN automations USING INDEX automations_early"): (
        "what waits for its window, in a thread"
    ),
    (
        "contents.list_unused",
        "SEARCH contents USING COVERING INDEX contents_unused (org_id=?)",
    ): "an index of what is about to be removed",
    ("contents.list_longest_unchecked", "SCAN contents USING INDEX contents_by_check"): ONE_PAGE,
    (
        "deliveries.count_by_state",
        "SCAN deliveries USING COVERING INDEX deliveries_by_channel_and_state",
    ): "for the metrics, in a thread, through an index alone",
    ("deliveries.count_by_state", "USE TEMP B-TREE FOR GROUP BY"): "five groups",
    ("deliveries.list_due", "USE TEMP B-TREE FOR ORDER BY"): OPEN_ALONE,
    ("deliveries.list_newest", "SEARCH d USING INDEX deliveries_by_org (org_id=?)"): ONE_PAGE,
    (
        "deliveries.requeue_all",
        "SCAN deliveries USING INDEX deliveries_sending",
    ): "what is being sent just now",
    ("invitations.list_open", "SEARCH i USING INDEX invitations_open (org_id=?)"): OPEN_ALONE,
    ("invitations.list_open", "USE TEMP B-TREE FOR ORDER BY"): OPEN_ALONE,
    (
        "jobs.list_all_held",
        "SCAN j USING INDEX jobs_held_of_org",
    ): "what runs just now, and only at the start",
    ("whole_logs.list_leaving", "SCAN job_logs USING INDEX job_logs_leaving"): OPEN_ALONE,
    (
        "whole_logs.measure_time",
        "SEARCH job_logs USING INDEX job_logs_kept (org_id=?)",
    ): "one row for each job, in a thread",
    (
        "orgs.list_shared_waiting",
        "USE TEMP B-TREE FOR ORDER BY",
    ): "of the orgs in which something waits",
    (
        "policies.list_applying",
        "SEARCH v USING INDEX policy_versions_that_apply (org_id=?)",
    ): "versions of an org's default policies alone: one for each push of them",
    (
        "policies.list_applying",
        "USE TEMP B-TREE FOR ORDER BY",
    ): "of the default policies' newest versions",
    (
        "queue_limits.count_running",
        "SEARCH jobs USING INDEX jobs_held_of_org (org_id=?)",
    ): "what an org runs just now, and no further than its limit",
    ("secrets.list_values", "SCAN sealed_values"): "for a new master key, while no server runs",
    ("trigger_calls.list_newest", "USE TEMP B-TREE FOR ORDER BY"): "at most 60 of one trigger",
    (
        "waiting.list_kinds",
        "SCAN automations USING INDEX automations_queued",
    ): "the queue, at start and in a thread",
    ("workers.find", "USE TEMP B-TREE FOR ORDER BY"): "those of one name",
    ("workers.get", "USE TEMP B-TREE FOR ORDER BY"): "as `workers.find`",
    ("workers.list_silent", "SCAN w USING INDEX workers_ephemeral"): IN_SERVICE,
    ("workers.has_enrolled", "SCAN workers"): "to the first one that is not revoked, at the start",
    ("workers.has_shared", "SCAN workers USING INDEX shared_workers_by_name"): ONE_STEP,
    (
        "workers.list_longest_unseen",
        "SEARCH workers USING INDEX workers_in_service (org_id=?)",
    ): IN_SERVICE,
    ("workers.list_longest_unseen", "USE TEMP B-TREE FOR ORDER BY"): IN_SERVICE,
}
"""Steps that look like a walk and are none, or may be one: (function, step) and the reason why."""
