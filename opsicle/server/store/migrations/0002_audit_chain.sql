-- The record becomes tamper-evident: a hash chain for every org, one more ('') for what belongs to no org, and signed
-- checkpoints of each. `seq` counts within the chain, so that it tells nothing of other orgs. The entries written so
-- far are chained, in their order, by the step in migration_steps.py, which then drops the old table.

DROP TRIGGER audit_entries_are_immutable;
DROP INDEX audit_entries_by_org;
ALTER TABLE audit_entries RENAME TO audit_entries_unchained;

CREATE TABLE audit_entries (
    org_id     TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    at         TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id   TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    channel    TEXT NOT NULL,
    address    TEXT NOT NULL,
    verb       TEXT NOT NULL,
    resource   TEXT NOT NULL,
    data       TEXT NOT NULL,
    hash       BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (org_id, seq)
) STRICT, WITHOUT ROWID;

-- Entries up to `removed_to` were removed by retention; `removed_hash` is the last one's, from which the chain goes on.
CREATE TABLE audit_checkpoints (
    org_id       TEXT NOT NULL,
    number       INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    hash         TEXT NOT NULL,
    at           TEXT NOT NULL,
    removed_to   INTEGER NOT NULL,
    removed_hash TEXT NOT NULL,
    previous     TEXT NOT NULL,
    signature    TEXT NOT NULL,
    PRIMARY KEY (org_id, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_entries_are_immutable BEFORE UPDATE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'an audit entry never changes');
END;
CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries
WHEN OLD.seq > coalesce((SELECT removed_to FROM audit_checkpoints WHERE org_id = OLD.org_id
                          ORDER BY number DESC LIMIT 1), 0)
BEGIN
    SELECT RAISE(ABORT, 'an audit entry is removed by retention only');
END;
CREATE TRIGGER audit_checkpoints_are_immutable BEFORE UPDATE ON audit_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'a checkpoint never changes');
END;
CREATE TRIGGER audit_checkpoints_stay BEFORE DELETE ON audit_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'a checkpoint is never removed');
END;
