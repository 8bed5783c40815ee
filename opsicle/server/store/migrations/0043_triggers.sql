-- Triggers and their versions. A version never changes; deleting a trigger frees its name, and
-- removes its secret, its calls and what they were known by.
CREATE TABLE triggers (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL REFERENCES orgs (id),
    name           TEXT NOT NULL,
    latest_version INTEGER NOT NULL,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    deleted_at     TEXT,
    is_paused      INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX triggers_by_name ON triggers (org_id, name) WHERE deleted_at IS NULL;

CREATE TABLE trigger_versions (
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    trigger_id  TEXT NOT NULL REFERENCES triggers (id),
    version     INTEGER NOT NULL,
    digest      TEXT NOT NULL,
    source      TEXT NOT NULL,
    document    TEXT NOT NULL,
    pushed_by   TEXT NOT NULL REFERENCES users (id),
    pushed_at   TEXT NOT NULL,
    PRIMARY KEY (trigger_id, version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER trigger_versions_are_immutable BEFORE UPDATE ON trigger_versions
BEGIN
    SELECT RAISE(ABORT, 'a trigger version never changes');
END;

CREATE TABLE trigger_secrets (
    trigger_id  TEXT PRIMARY KEY REFERENCES triggers (id),
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    version     INTEGER NOT NULL,
    wrapped_key BLOB NOT NULL,
    ciphertext  BLOB NOT NULL,
    made_at     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What starts nothing again until it expires: a signed message, or what a trigger deduplicates by,
-- as digests. Made in the transaction that makes the automation.
CREATE TABLE trigger_receipts (
    trigger_id    TEXT NOT NULL REFERENCES triggers (id),
    key           TEXT NOT NULL,
    automation_id TEXT NOT NULL,
    expires_at    TEXT NOT NULL,
    PRIMARY KEY (trigger_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX trigger_receipts_by_expiry ON trigger_receipts (trigger_id, expires_at);

-- The newest calls of each trigger. `mapped` is JSON: the values that a call gave to the template,
-- as people may see them; of the body only its size and digest are kept.
CREATE TABLE trigger_calls (
    id            TEXT PRIMARY KEY,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    trigger_id    TEXT NOT NULL REFERENCES triggers (id),
    is_verified   INTEGER NOT NULL,
    at            TEXT NOT NULL,
    outcome       TEXT NOT NULL,
    reason        TEXT NOT NULL,
    automation_id TEXT,
    mapped        TEXT NOT NULL,
    body_bytes    INTEGER NOT NULL,
    body_sha256   TEXT NOT NULL,
    address       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX trigger_calls_by_trigger ON trigger_calls (trigger_id, is_verified, id);
