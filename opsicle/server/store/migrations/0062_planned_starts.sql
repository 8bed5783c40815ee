-- When whoever asked wants it to begin at the earliest; NULL: as soon as it may.
ALTER TABLE automations ADD COLUMN start_at TEXT;

-- What is planned and has not begun, by when it is to begin.
CREATE INDEX automations_planned ON automations (org_id, start_at, id)
    WHERE start_at IS NOT NULL AND state IN ('awaiting_approval', 'queued');
