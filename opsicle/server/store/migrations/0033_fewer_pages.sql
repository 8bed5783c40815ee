-- What a job's life need not write. What people are told stands in their deliveries: nothing but tests read this table.
DROP TABLE notices;

-- Retention goes by ids, which grow with time.
DROP INDEX automations_by_end;

-- A job that starts stays in this index as it is.
DROP INDEX jobs_held;
CREATE INDEX jobs_held ON jobs (worker_id) WHERE finished_at IS NULL;
