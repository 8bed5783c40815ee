CREATE TABLE gaps (
    job_id TEXT NOT NULL,
    start  INTEGER NOT NULL,
    size   INTEGER NOT NULL, reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_logs (
    job_id     TEXT PRIMARY KEY,
    org_id     TEXT NOT NULL,
    size       INTEGER NOT NULL,
    stored     INTEGER NOT NULL,
    first_ms   INTEGER NOT NULL,
    last_ms    INTEGER NOT NULL,
    removed_at TEXT,
    removed_by TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE INDEX job_logs_kept ON job_logs (org_id, job_id) WHERE removed_at IS NULL;

CREATE INDEX job_logs_leaving ON job_logs (job_id) WHERE removed_at IS NOT NULL AND stored > 0;

CREATE TABLE losses (
    at     TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

CREATE TABLE segment_lines (
    job_id       TEXT NOT NULL,
    start        INTEGER NOT NULL,
    size         INTEGER NOT NULL,
    lines_before INTEGER NOT NULL,
    lines        INTEGER NOT NULL,
    error_lines  INTEGER NOT NULL,
    first_ms     INTEGER NOT NULL,
    last_ms      INTEGER NOT NULL,
    open_lines   BLOB NOT NULL,
    PRIMARY KEY (job_id, start)
) STRICT, WITHOUT ROWID;

CREATE INDEX segment_lines_by_number ON segment_lines (job_id, lines_before);

CREATE TABLE segments (
    job_id     TEXT NOT NULL,
    start      INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    chunks     BLOB NOT NULL,
    created_at TEXT NOT NULL, org_id TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, start)
) STRICT;

CREATE TABLE usage (
    org_id TEXT PRIMARY KEY,
    stored INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
