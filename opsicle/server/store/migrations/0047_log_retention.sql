-- For how many days an org keeps its logs, and how much they take at most; without, as the server has it.
ALTER TABLE orgs ADD COLUMN log_retention_days INTEGER CHECK (log_retention_days > 0);
ALTER TABLE orgs ADD COLUMN max_log_mib INTEGER CHECK (max_log_mib > 0);
