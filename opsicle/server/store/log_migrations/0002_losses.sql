-- When a file of logs was lost before this one was made, and why.
CREATE TABLE losses (
    at     TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

-- Where a log goes on behind a part that its worker had delivered and that is not here.
CREATE TABLE gaps (
    job_id TEXT NOT NULL,
    start  INTEGER NOT NULL,
    size   INTEGER NOT NULL,
    PRIMARY KEY (job_id, start)
) STRICT, WITHOUT ROWID;
