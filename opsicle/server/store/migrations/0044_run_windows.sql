-- An approval may say when what it lets run may begin (docs/approvals.md): `not_before`, `not_after`. It belongs to the
-- decision, and never changes either.
ALTER TABLE approval_decisions ADD COLUMN not_before TEXT;
ALTER TABLE approval_decisions ADD COLUMN not_after TEXT;
CREATE TRIGGER approval_windows_are_immutable BEFORE UPDATE OF not_before, not_after ON approval_decisions
BEGIN
    SELECT RAISE(ABORT, 'a decision never changes');
END;

-- What all decisions leave of it, so that a queue can be looked through without them.
ALTER TABLE automations ADD COLUMN not_before TEXT;
ALTER TABLE automations ADD COLUMN not_after TEXT;

-- A turn more, `early`: its window has not opened. What a CHECK allows changes nothing in the file.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'turn IN (''new''', 'turn IN (''early'', ''new''')
 WHERE type = 'table' AND name = 'automations';
PRAGMA writable_schema = RESET;

CREATE INDEX automations_early ON automations (not_before)
    WHERE state = 'queued' AND job_id IS NULL AND turn = 'early';
CREATE INDEX automations_late ON automations (not_after)
    WHERE state = 'queued' AND job_id IS NULL AND not_after IS NOT NULL;
