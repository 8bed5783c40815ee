-- What has ended is removed one day, with all that refers to it: by indexes of when it ended, and of where its id stands.
CREATE INDEX automations_by_end ON automations (org_id, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX automations_rerun ON automations (rerun_of) WHERE rerun_of IS NOT NULL;
CREATE INDEX deliveries_by_automation ON deliveries (automation_id);
CREATE INDEX notices_by_automation ON notices (automation_id, created_at);

-- Up to which automation retention has come in each org. It is set in the transaction that removes, beside the entry
-- in the record that says so; nothing above it, and nothing that is open, can be removed.
CREATE TABLE removals (
    org_id     TEXT PRIMARY KEY REFERENCES orgs (id),
    removed_to TEXT NOT NULL,
    at         TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER automations_stay BEFORE DELETE ON automations
WHEN OLD.state IN ('awaiting_approval', 'queued', 'running')
     OR OLD.id > coalesce((SELECT removed_to FROM removals WHERE org_id = OLD.org_id), '')
BEGIN
    SELECT RAISE(ABORT, 'an automation is removed by retention only, and only one that has ended');
END;

CREATE TRIGGER approvals_stay BEFORE DELETE ON approvals
WHEN OLD.state = 'pending'
     OR OLD.automation_id > coalesce((SELECT removed_to FROM removals WHERE org_id = OLD.org_id), '')
BEGIN
    SELECT RAISE(ABORT, 'an approval is removed by retention only, and only one that has ended');
END;

DROP TRIGGER approval_decisions_stay;
CREATE TRIGGER approval_decisions_stay BEFORE DELETE ON approval_decisions
WHEN NOT EXISTS (SELECT 1 FROM approvals p JOIN removals r ON r.org_id = p.org_id
                  WHERE p.id = OLD.approval_id AND p.state <> 'pending' AND p.automation_id <= r.removed_to)
BEGIN
    SELECT RAISE(ABORT, 'a decision is removed by retention only, together with its automation');
END;
