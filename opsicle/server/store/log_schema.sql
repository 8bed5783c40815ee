CREATE TABLE gaps (
    job_id TEXT NOT NULL,
    start  INTEGER NOT NULL,
    size   INTEGER NOT NULL,
    PRIMARY KEY (job_id, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE losses (
    at     TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

CREATE TABLE segments (
    job_id     TEXT NOT NULL,
    start      INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    chunks     BLOB NOT NULL,
    created_at TEXT NOT NULL, org_id TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, start)
) STRICT;

CREATE INDEX segments_by_age ON segments (org_id, created_at);

CREATE TABLE usage (
    org_id TEXT PRIMARY KEY,
    stored INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
