-- Schedules and their versions. A version never changes; deleting a schedule only frees its name.
-- Beside the document stands how far it has come: `due_at` is the next of its times, `start_at` when
-- to look at it next, both empty while it is paused. `done_until`: no time up to that one starts
-- anything again, whatever the clock says.
CREATE TABLE schedules (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    name           TEXT NOT NULL,
    latest_version INTEGER NOT NULL,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    deleted_at     TEXT,
    is_paused      INTEGER NOT NULL DEFAULT 0,
    due_at         TEXT,
    start_at       TEXT,
    done_until     TEXT,
    last_due_at    TEXT,
    last_at        TEXT,
    last_outcome   TEXT NOT NULL DEFAULT '',
    last_reason    TEXT NOT NULL DEFAULT '',
    last_automation_id TEXT
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX schedules_by_name ON schedules (org_id, name) WHERE deleted_at IS NULL;
CREATE INDEX schedules_by_start ON schedules (start_at) WHERE start_at IS NOT NULL;

CREATE TABLE schedule_versions (
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    schedule_id TEXT NOT NULL REFERENCES schedules (id),
    version     INTEGER NOT NULL,
    digest      TEXT NOT NULL,
    source      TEXT NOT NULL,
    document    TEXT NOT NULL,
    pushed_by   TEXT NOT NULL REFERENCES users (id),
    pushed_at   TEXT NOT NULL,
    PRIMARY KEY (schedule_id, version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER schedule_versions_are_immutable BEFORE UPDATE ON schedule_versions
BEGIN
    SELECT RAISE(ABORT, 'a schedule version never changes');
END;

-- What has started an automation, where that was no request of its requester's.
ALTER TABLE automations ADD COLUMN started_by_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE automations ADD COLUMN started_by_name TEXT NOT NULL DEFAULT '';
ALTER TABLE automations ADD COLUMN started_by_id TEXT;

CREATE INDEX automations_by_starter ON automations (started_by_id, state)
 WHERE started_by_id IS NOT NULL;
