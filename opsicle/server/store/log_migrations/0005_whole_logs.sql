-- Logs go whole now, and are found by their jobs, not segment by segment by age.
DROP INDEX segments_by_age;

-- Logs that are removed, of which segments are left.
CREATE INDEX job_logs_leaving ON job_logs (job_id) WHERE removed_at IS NOT NULL AND stored > 0;
