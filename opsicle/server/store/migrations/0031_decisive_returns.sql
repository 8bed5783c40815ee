-- Also what was given back before it began: a lease that no entry explains is one that something was done with.
DROP INDEX audit_entries_decisive;

CREATE INDEX audit_entries_decisive ON audit_entries (org_id, resource, seq)
WHERE verb IN ('approve', 'bind', 'cancel', 'expire', 'finish', 'lose', 'refuse', 'refuse_order', 'reject',
               'requeue', 'return', 'start', 'withdraw');
