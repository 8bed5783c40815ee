"""From a waiting automation to a job that has ended: leases, signed orders, starts, logs, ends."""
