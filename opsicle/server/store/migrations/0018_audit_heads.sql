-- The newest signature of each chain. It is replaced every few seconds, where checkpoints stay for ever; it is one all
-- the same, and becomes one for good when its time has come, or when somebody has removed what it covers.
CREATE TABLE audit_heads (
    org_id       TEXT PRIMARY KEY,
    number       INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    hash         TEXT NOT NULL,
    at           TEXT NOT NULL,
    removed_to   INTEGER NOT NULL,
    removed_hash TEXT NOT NULL,
    previous     TEXT NOT NULL,
    signature    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_heads_only_advance BEFORE UPDATE ON audit_heads
WHEN NEW.number < OLD.number OR NEW.seq < OLD.seq
BEGIN
    SELECT RAISE(ABORT, 'a signature never goes back');
END;

-- When a worker's claim that its org's history was rewritten was last taken into the record.
ALTER TABLE workers ADD COLUMN history_reported_at TEXT;
