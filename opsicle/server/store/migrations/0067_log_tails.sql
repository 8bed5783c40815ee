-- The last small piece of a job's log, beside the job's end in one transaction, until the database
-- of logs has it durably too.
CREATE TABLE log_tails (
    job_id TEXT PRIMARY KEY,
    org_id TEXT NOT NULL,
    chunks BLOB NOT NULL
) STRICT, WITHOUT ROWID;
