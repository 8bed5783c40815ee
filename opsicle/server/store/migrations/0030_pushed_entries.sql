-- What the record says of the newest push of a template or a policy: what is stored must be that.
CREATE INDEX audit_entries_pushed ON audit_entries (org_id, resource, seq) WHERE verb IN ('push', 'delete');
