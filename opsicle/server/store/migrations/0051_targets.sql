-- Targets and their versions. A version never changes; deleting a target only frees its name.
CREATE TABLE targets (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    name           TEXT NOT NULL,
    latest_version INTEGER NOT NULL,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    deleted_at     TEXT
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX targets_by_name ON targets (org_id, name) WHERE deleted_at IS NULL;

CREATE TABLE target_versions (
    org_id    TEXT NOT NULL REFERENCES orgs (id),
    target_id TEXT NOT NULL REFERENCES targets (id),
    version   INTEGER NOT NULL,
    digest    TEXT NOT NULL,
    source    TEXT NOT NULL,
    document  TEXT NOT NULL,
    pushed_by TEXT NOT NULL REFERENCES users (id),
    pushed_at TEXT NOT NULL,
    PRIMARY KEY (target_id, version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER target_versions_are_immutable BEFORE UPDATE ON target_versions
BEGIN
    SELECT RAISE(ABORT, 'a target version never changes');
END;
