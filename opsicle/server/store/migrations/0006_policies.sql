-- Approval policies and their versions. A version never changes; deleting a policy only frees its name.
CREATE TABLE policies (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    name           TEXT NOT NULL,
    latest_version INTEGER NOT NULL,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    deleted_at     TEXT
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX policies_by_name ON policies (org_id, name) WHERE deleted_at IS NULL;

CREATE TABLE policy_versions (
    org_id    TEXT NOT NULL REFERENCES orgs (id),
    policy_id TEXT NOT NULL REFERENCES policies (id),
    version   INTEGER NOT NULL,
    digest    TEXT NOT NULL,
    source    TEXT NOT NULL,
    document  TEXT NOT NULL,
    pushed_by TEXT NOT NULL REFERENCES users (id),
    pushed_at TEXT NOT NULL,
    PRIMARY KEY (policy_id, version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER policy_versions_are_immutable BEFORE UPDATE ON policy_versions
BEGIN
    SELECT RAISE(ABORT, 'a policy version never changes');
END;
