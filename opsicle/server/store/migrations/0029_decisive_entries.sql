-- Also what has begun: an automation that is put back into the queue while it runs must not run twice.
DROP INDEX audit_entries_decisive;

CREATE INDEX audit_entries_decisive ON audit_entries (org_id, resource, seq)
WHERE verb IN ('approve', 'bind', 'cancel', 'expire', 'finish', 'lose', 'refuse', 'refuse_order', 'reject',
               'requeue', 'start', 'withdraw');
