-- What each worker was ordered to do, byte for byte as it was signed, and by which key. Nothing in
-- an order is secret. It goes with its job.
CREATE TABLE orders (
    job_id     TEXT NOT NULL REFERENCES jobs (id),
    fence      INTEGER NOT NULL,
    content    BLOB NOT NULL,
    signature  BLOB NOT NULL,
    public_key BLOB NOT NULL,
    PRIMARY KEY (job_id, fence)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER orders_never_change BEFORE UPDATE ON orders
BEGIN
    SELECT RAISE(ABORT, 'an order never changes');
END;

CREATE TRIGGER orders_stay BEFORE DELETE ON orders
WHEN NOT EXISTS (SELECT 1 FROM jobs j JOIN removals r ON r.org_id = j.org_id
                  WHERE j.id = OLD.job_id AND j.automation_id <= r.removed_to)
 AND NOT EXISTS (SELECT 1 FROM jobs j JOIN org_removals r ON r.org_id = j.org_id
                  WHERE j.id = OLD.job_id)
BEGIN
    SELECT RAISE(ABORT, 'an order is removed by retention only, together with its automation');
END;

-- How many orders were given for a job; those of older versions are not kept.
ALTER TABLE jobs ADD COLUMN orders_kept INTEGER NOT NULL DEFAULT 0;

-- By which keys orders were signed: this server's ('' as its org), and those of the servers from
-- which an org came. The code under binding.key says that a row is this server's own word.
CREATE TABLE order_keys (
    org_id        TEXT NOT NULL,
    public_key    BLOB NOT NULL,
    first_used_at TEXT NOT NULL,
    mac           TEXT NOT NULL,
    PRIMARY KEY (org_id, public_key)
) STRICT, WITHOUT ROWID;
