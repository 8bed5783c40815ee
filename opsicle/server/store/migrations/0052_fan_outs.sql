-- On which machines an automation runs one by one, and of which automation another one is a part:
-- JSON, '' for none. Its manifest has both. The former has no job; while it runs its own id stands
-- in `job_id`, so that it holds its concurrency group as others do.
ALTER TABLE automations ADD COLUMN fan_out TEXT NOT NULL DEFAULT '';
ALTER TABLE automations ADD COLUMN member_of TEXT NOT NULL DEFAULT '';

CREATE INDEX automations_fanning_out ON automations (id)
 WHERE fan_out <> '' AND state IN ('queued', 'running');

-- One machine: written when its automation begins, and used up in the transaction that makes the
-- machine's own.
CREATE TABLE fan_out_members (
    parent_id     TEXT NOT NULL REFERENCES automations (id),
    position      INTEGER NOT NULL,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    name          TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('due', 'started', 'ended', 'refused', 'skipped')),
    reason        TEXT NOT NULL DEFAULT '',
    automation_id TEXT,
    at            TEXT,
    PRIMARY KEY (parent_id, position)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX fan_out_members_by_automation ON fan_out_members (automation_id)
 WHERE automation_id IS NOT NULL;

CREATE TRIGGER automations_end_member AFTER UPDATE OF state ON automations
WHEN NEW.member_of <> '' AND NEW.state <> OLD.state
     AND NEW.state IN ('succeeded', 'failed', 'cancelled', 'timed_out', 'unknown', 'rejected', 'expired')
BEGIN
    UPDATE fan_out_members SET state = 'ended' WHERE automation_id = NEW.id AND state = 'started';
END;
