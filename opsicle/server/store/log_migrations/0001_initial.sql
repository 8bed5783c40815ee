-- A segment is what one request brought: chunks as MessagePack, compressed. `start` is its first byte's
-- offset in the job's log, `size` its log bytes before compression; segments of a job leave no gap.
CREATE TABLE segments (
    job_id     TEXT NOT NULL,
    start      INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    chunks     BLOB NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (job_id, start)
) STRICT;
CREATE INDEX segments_by_age ON segments (created_at);
