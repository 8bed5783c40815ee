-- Which templates an automation calls, in which versions, and where it was called itself: JSON, ''
-- for none. Its manifest has both.
ALTER TABLE automations ADD COLUMN calls TEXT NOT NULL DEFAULT '';
ALTER TABLE automations ADD COLUMN called_by TEXT NOT NULL DEFAULT '';

-- A job that waits at a phase for what that has called; `jobs.pause_id` names it. Under one fence a
-- job waits once, so that a report that comes twice makes nothing twice.
CREATE TABLE call_waits (
    id            TEXT PRIMARY KEY,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    automation_id TEXT NOT NULL REFERENCES automations (id),
    job_id        TEXT NOT NULL REFERENCES jobs (id),
    phase         INTEGER NOT NULL,
    fence         INTEGER NOT NULL,
    asked_at      TEXT NOT NULL,
    UNIQUE (automation_id, fence)
) STRICT, WITHOUT ROWID;

-- What was called: written with the wait, and used up in the transaction that makes the automation.
CREATE TABLE calls (
    wait_id       TEXT NOT NULL REFERENCES call_waits (id),
    position      INTEGER NOT NULL,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    template      TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('due', 'started', 'ended', 'refused')),
    reason        TEXT NOT NULL DEFAULT '',
    automation_id TEXT,
    at            TEXT,
    PRIMARY KEY (wait_id, position)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX calls_by_automation ON calls (automation_id) WHERE automation_id IS NOT NULL;
CREATE INDEX calls_open ON calls (wait_id, position) WHERE state IN ('due', 'started');

CREATE TRIGGER automations_end_call AFTER UPDATE OF state ON automations
WHEN NEW.called_by <> '' AND NEW.state <> OLD.state
     AND NEW.state IN ('succeeded', 'failed', 'cancelled', 'timed_out', 'unknown', 'rejected', 'expired')
BEGIN
    UPDATE calls SET state = 'ended' WHERE automation_id = NEW.id AND state = 'started';
END;
