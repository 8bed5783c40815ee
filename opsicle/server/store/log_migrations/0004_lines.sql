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

-- Org and time are read from the index, since in the rows they stand behind the chunks.
INSERT INTO job_logs (job_id, org_id, size, stored, first_ms, last_ms)
SELECT s.job_id, max(a.org_id), max(s.start + s.size), sum(length(s.chunks)),
       CAST(1000 * unixepoch(min(a.created_at), 'subsec') AS INTEGER),
       CAST(1000 * unixepoch(max(a.created_at), 'subsec') AS INTEGER)
  FROM (SELECT rowid, org_id, created_at FROM segments INDEXED BY segments_by_age) AS a
       CROSS JOIN segments AS s ON s.rowid = a.rowid
 GROUP BY s.job_id;

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
