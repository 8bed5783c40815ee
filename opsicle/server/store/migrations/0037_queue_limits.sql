-- How many automations of an org run and wait at most, and how many of a template wait.
ALTER TABLE orgs ADD COLUMN max_running INTEGER CHECK (max_running > 0);
ALTER TABLE orgs ADD COLUMN max_waiting INTEGER CHECK (max_waiting > 0);

ALTER TABLE automations ADD COLUMN max_waiting INTEGER;
CREATE INDEX automations_waiting_of_template ON automations (org_id, template_id)
    WHERE max_waiting IS NOT NULL AND state IN ('awaiting_approval', 'queued');

CREATE INDEX jobs_held_of_org ON jobs (org_id) WHERE finished_at IS NULL;
