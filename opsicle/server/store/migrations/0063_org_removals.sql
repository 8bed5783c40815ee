-- An org that is suspended starts nothing. One that is to be deleted is suspended until then.
ALTER TABLE orgs ADD COLUMN suspended_at TEXT;
ALTER TABLE orgs ADD COLUMN suspended_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE orgs ADD COLUMN delete_at TEXT;
ALTER TABLE orgs ADD COLUMN deletion_asked_by TEXT NOT NULL DEFAULT '';
CREATE INDEX orgs_by_deletion ON orgs (delete_at) WHERE delete_at IS NOT NULL;

-- Orgs that are just being removed, with how far that is. Whoever stands here has nothing that stays.
CREATE TABLE org_removals (
    org_id         TEXT PRIMARY KEY,
    code           TEXT NOT NULL,
    asked_by       TEXT NOT NULL,
    begun_at       TEXT NOT NULL,
    automations    INTEGER NOT NULL,
    removed        INTEGER NOT NULL DEFAULT 0,
    rows_removed   INTEGER NOT NULL DEFAULT 0,
    log_bytes      INTEGER NOT NULL,
    artifact_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

DROP TRIGGER account_owners_stay;
CREATE TRIGGER account_owners_stay BEFORE DELETE ON account_owners
WHEN NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'who answered for an account is never forgotten');
END;

DROP TRIGGER approval_decisions_stay;
CREATE TRIGGER approval_decisions_stay BEFORE DELETE ON approval_decisions
WHEN NOT EXISTS (SELECT 1 FROM approvals p JOIN removals r ON r.org_id = p.org_id
                  WHERE p.id = OLD.approval_id AND p.state <> 'pending' AND p.automation_id <= r.removed_to)
 AND NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'a decision is removed by retention only, together with its automation');
END;

DROP TRIGGER approvals_stay;
CREATE TRIGGER approvals_stay BEFORE DELETE ON approvals
WHEN (OLD.state = 'pending'
      OR OLD.automation_id > coalesce((SELECT removed_to FROM removals WHERE org_id = OLD.org_id), ''))
 AND NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'an approval is removed by retention only, and only one that has ended');
END;

DROP TRIGGER automations_stay;
CREATE TRIGGER automations_stay BEFORE DELETE ON automations
WHEN (OLD.state IN ('planning', 'awaiting_approval', 'queued', 'running', 'paused')
      OR OLD.id > coalesce((SELECT removed_to FROM removals WHERE org_id = OLD.org_id), ''))
 AND NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'an automation is removed by retention only, and only one that has ended');
END;

DROP TRIGGER audit_checkpoint_gaps_stay;
CREATE TRIGGER audit_checkpoint_gaps_stay BEFORE DELETE ON audit_checkpoint_gaps
WHEN NOT EXISTS (SELECT 1 FROM audit_checkpoint_gaps
                  WHERE org_id = OLD.org_id AND first <= OLD.first AND last >= OLD.last
                    AND NOT (first = OLD.first AND last = OLD.last))
 AND NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'a gap is removed only for a wider one');
END;

DROP TRIGGER audit_checkpoints_stay;
CREATE TRIGGER audit_checkpoints_stay BEFORE DELETE ON audit_checkpoints
WHEN (NOT EXISTS (SELECT 1 FROM audit_checkpoint_gaps
                   WHERE org_id = OLD.org_id AND first <= OLD.number AND last >= OLD.number)
      OR EXISTS (SELECT 1 FROM audit_exports WHERE org_id = OLD.org_id AND number = OLD.number))
 AND NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'a checkpoint is removed only where a gap is signed for it');
END;

DROP TRIGGER audit_entries_stay;
CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries
WHEN OLD.seq > coalesce((SELECT removed_to FROM audit_checkpoints WHERE org_id = OLD.org_id
                          ORDER BY number DESC LIMIT 1), 0)
 AND NOT EXISTS (SELECT 1 FROM org_removals WHERE org_id = OLD.org_id)
BEGIN
    SELECT RAISE(ABORT, 'an audit entry is removed by retention only');
END;
