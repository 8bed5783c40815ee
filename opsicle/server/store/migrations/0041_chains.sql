-- How far below what somebody, a schedule or a trigger has started: 0 for that itself.
ALTER TABLE automations ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;

-- What an automation starts once it has ended, written with it. The trigger notes in the very
-- transaction of the end that it is due, whichever statement ends it; `started` is set in the
-- transaction that makes the other automation. So each starts once, whatever dies in between.
CREATE TABLE chain_starts (
    parent_id     TEXT NOT NULL REFERENCES automations (id),
    position      INTEGER NOT NULL,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    event         TEXT NOT NULL CHECK (event IN ('success', 'failure')),
    template      TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('waiting', 'due', 'started', 'refused')),
    reason        TEXT NOT NULL DEFAULT '',
    automation_id TEXT,
    at            TEXT,
    PRIMARY KEY (parent_id, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX chain_starts_due ON chain_starts (parent_id, position) WHERE state = 'due';

CREATE TRIGGER automations_end_chain AFTER UPDATE OF state ON automations
WHEN NEW.state IN ('succeeded', 'failed', 'timed_out') AND NEW.state <> OLD.state
BEGIN
    UPDATE chain_starts
       SET state = 'due'
     WHERE parent_id = NEW.id
       AND state = 'waiting'
       AND event = CASE NEW.state WHEN 'succeeded' THEN 'success' ELSE 'failure' END;
END;
