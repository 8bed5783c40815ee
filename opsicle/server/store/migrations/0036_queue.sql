-- Who comes first, and who waits for others of a concurrency group (docs/queue.md).
ALTER TABLE automations ADD COLUMN priority INTEGER NOT NULL DEFAULT 5;
ALTER TABLE automations ADD COLUMN concurrency_key TEXT;
ALTER TABLE automations ADD COLUMN concurrency_limit INTEGER;
ALTER TABLE automations ADD COLUMN on_limit TEXT;
ALTER TABLE automations ADD COLUMN concurrency_released_at TEXT;

-- `new`: its group has not looked at it since it was queued; `behind`: others of it come first.
ALTER TABLE automations ADD COLUMN turn TEXT NOT NULL DEFAULT 'ready' CHECK (turn IN ('new', 'behind', 'ready'));

-- Sorts by priority, and within one by age.
ALTER TABLE automations ADD COLUMN rank TEXT NOT NULL GENERATED ALWAYS AS ((9 - priority) || id) VIRTUAL;

DROP INDEX automations_queued;
CREATE INDEX automations_queued ON automations (org_id, requirements, rank)
    WHERE state = 'queued' AND job_id IS NULL AND turn = 'ready';
CREATE INDEX automations_in_concurrency_group ON automations (org_id, concurrency_key, turn, on_limit, requirements, rank, concurrency_limit)
    WHERE concurrency_key IS NOT NULL AND state = 'queued' AND job_id IS NULL;
CREATE INDEX automations_holding_concurrency ON automations (org_id, concurrency_key, concurrency_limit)
    WHERE concurrency_key IS NOT NULL AND job_id IS NOT NULL AND concurrency_released_at IS NULL
      AND state IN ('queued', 'running', 'paused', 'unknown');

-- The automations through which a group may look different than when it was settled last.
CREATE TABLE concurrency_changes (
    org_id          TEXT NOT NULL,
    concurrency_key TEXT NOT NULL,
    automation_id   TEXT NOT NULL,
    PRIMARY KEY (org_id, concurrency_key, automation_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER automations_enter_concurrency AFTER INSERT ON automations
WHEN NEW.concurrency_key IS NOT NULL AND NEW.state <> 'awaiting_approval'
BEGIN
    INSERT OR IGNORE INTO concurrency_changes VALUES (NEW.org_id, NEW.concurrency_key, NEW.id);
END;

CREATE TRIGGER automations_change_concurrency AFTER UPDATE OF state, job_id, concurrency_released_at ON automations
WHEN NEW.concurrency_key IS NOT NULL AND NOT (OLD.state = 'queued' AND NEW.state = 'running')
BEGIN
    INSERT OR IGNORE INTO concurrency_changes VALUES (NEW.org_id, NEW.concurrency_key, NEW.id);
END;

CREATE TRIGGER automations_leave_concurrency AFTER DELETE ON automations
WHEN OLD.concurrency_key IS NOT NULL AND OLD.state = 'unknown'
BEGIN
    INSERT OR IGNORE INTO concurrency_changes VALUES (OLD.org_id, OLD.concurrency_key, OLD.id);
END;
