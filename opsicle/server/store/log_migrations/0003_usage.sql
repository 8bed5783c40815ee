-- How much each org's logs take, so that it can be bounded. Segments of before belong to nobody: they go by age alone.
ALTER TABLE segments ADD COLUMN org_id TEXT NOT NULL DEFAULT '';

DROP INDEX segments_by_age;
CREATE INDEX segments_by_age ON segments (org_id, created_at);

CREATE TABLE usage (
    org_id TEXT PRIMARY KEY,
    stored INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO usage (org_id, stored) VALUES ('', 0);
