-- One row for each job's log, so that retention and search find whole logs, and it stays known why one is gone. Times are
-- Unix milliseconds of the earliest and the latest line by the worker's clock; for logs of before, by when they arrived.
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

-- Of logs of before only what the indexes have, so that this takes seconds however large the file is: 0 bytes stored means
-- that it was not looked up yet, which is done when it is needed.
CREATE TEMP TABLE ages (id INTEGER PRIMARY KEY, org_id TEXT NOT NULL, created_at TEXT NOT NULL) STRICT;
INSERT INTO ages SELECT rowid, org_id, created_at FROM segments INDEXED BY segments_by_age;
INSERT INTO job_logs (job_id, org_id, size, stored, first_ms, last_ms)
SELECT s.job_id, max(a.org_id), 0, 0,
       CAST(1000 * unixepoch(min(a.created_at), 'subsec') AS INTEGER),
       CAST(1000 * unixepoch(max(a.created_at), 'subsec') AS INTEGER)
  FROM segments AS s CROSS JOIN ages AS a ON a.id = s.rowid
 GROUP BY s.job_id;
DROP TABLE ages;

CREATE INDEX job_logs_kept ON job_logs (org_id, job_id) WHERE removed_at IS NULL;

-- Which lines begin in a segment, so that lines and times are found without unpacking others: how many lines of the job
-- begin before it, how many in it (of stderr), between which times, and which lines have no end at its end. Segments of before
-- get their rows when somebody first asks for lines of the log.
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
