-- What the record says of the end of an automation or an approval, and of decisions on one, found by what it is about:
-- looked at before every lease, so that setting a row back to before its end lets nothing run again.
CREATE INDEX audit_entries_decisive ON audit_entries (org_id, resource, seq)
WHERE verb IN ('approve', 'bind', 'cancel', 'expire', 'finish', 'lose', 'refuse', 'refuse_order', 'reject', 'withdraw');
