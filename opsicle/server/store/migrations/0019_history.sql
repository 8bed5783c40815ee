-- Every list that can be narrowed has an index for each combination of filters, in the order in which it is shown, so
-- that it reads one page however much lies behind it. Those by state are in two parts: what has ended is written into
-- its indexes once, when it ends, and not at each step before.

DROP INDEX automations_open;
CREATE INDEX automations_open ON automations (org_id, state, id, template, requester_id)
    WHERE state IN ('awaiting_approval', 'queued', 'running');

-- What one person asked for of one template is found within what they asked for: an index more would cost each job
-- two pages for what few ever ask.
CREATE INDEX automations_by_requester ON automations (org_id, requester_id, id, template);

CREATE INDEX automations_ended ON automations (org_id, state, id)
    WHERE state IN ('succeeded', 'failed', 'cancelled', 'timed_out', 'unknown', 'rejected', 'expired');
CREATE INDEX automations_ended_by_template ON automations (org_id, template, state, id)
    WHERE state IN ('succeeded', 'failed', 'cancelled', 'timed_out', 'unknown', 'rejected', 'expired');
CREATE INDEX automations_ended_by_requester ON automations (org_id, requester_id, state, id, template)
    WHERE state IN ('succeeded', 'failed', 'cancelled', 'timed_out', 'unknown', 'rejected', 'expired');

-- The last run that somebody approved, with which an approver compares what is asked now.
ALTER TABLE automations ADD COLUMN approved_at TEXT;
UPDATE automations
   SET approved_at = (SELECT ended_at FROM approvals WHERE automation_id = automations.id)
 WHERE id IN (SELECT automation_id FROM approvals WHERE state = 'approved');
CREATE INDEX automations_approved ON automations (org_id, template_id, id)
    WHERE approved_at IS NOT NULL AND started_at IS NOT NULL;

CREATE INDEX approvals_by_state ON approvals (org_id, state, id);
CREATE INDEX approvals_by_requester ON approvals (org_id, requester_id, id);
CREATE INDEX approvals_by_requester_and_state ON approvals (org_id, requester_id, state, id);

CREATE INDEX deliveries_by_state ON deliveries (org_id, state, id);
CREATE INDEX deliveries_by_channel ON deliveries (channel_id, id);
CREATE INDEX deliveries_by_channel_and_state ON deliveries (channel_id, state, id);
CREATE INDEX deliveries_by_end ON deliveries (finished_at);

CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
