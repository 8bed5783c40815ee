-- Searches of the record for what people do, which is rare beside what jobs do: an entry about a job that is run, started
-- or finished, or about an automation, is in neither index, so that jobs pay nothing for them.
CREATE INDEX audit_entries_by_verb ON audit_entries (org_id, verb, seq) WHERE verb NOT IN ('run', 'start', 'finish');
CREATE INDEX audit_entries_by_resource ON audit_entries (org_id, resource, seq)
    WHERE substr(resource, 1, 12) <> 'automations/';
