-- Old checkpoints are thinned out. A gap is signed and says which were there, so that those around it still follow one
-- upon the other. Those with which an export has ended stay for good: somebody outside holds them.
CREATE TABLE audit_checkpoint_gaps (
    org_id    TEXT NOT NULL,
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL CHECK (last >= first),
    previous  TEXT NOT NULL,
    hash      TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (org_id, first, last)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_exports (
    org_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (org_id, number)
) STRICT, WITHOUT ROWID;

DROP TRIGGER audit_checkpoints_stay;

CREATE TRIGGER audit_checkpoints_stay BEFORE DELETE ON audit_checkpoints
WHEN NOT EXISTS (SELECT 1 FROM audit_checkpoint_gaps
                  WHERE org_id = OLD.org_id AND first <= OLD.number AND last >= OLD.number)
  OR EXISTS (SELECT 1 FROM audit_exports WHERE org_id = OLD.org_id AND number = OLD.number)
BEGIN
    SELECT RAISE(ABORT, 'a checkpoint is removed only where a gap is signed for it');
END;

CREATE TRIGGER audit_checkpoint_gaps_are_immutable BEFORE UPDATE ON audit_checkpoint_gaps
BEGIN
    SELECT RAISE(ABORT, 'a gap never changes');
END;

CREATE TRIGGER audit_checkpoint_gaps_stay BEFORE DELETE ON audit_checkpoint_gaps
WHEN NOT EXISTS (SELECT 1 FROM audit_checkpoint_gaps
                  WHERE org_id = OLD.org_id AND first <= OLD.first AND last >= OLD.last
                    AND NOT (first = OLD.first AND last = OLD.last))
BEGIN
    SELECT RAISE(ABORT, 'a gap is removed only for a wider one');
END;
