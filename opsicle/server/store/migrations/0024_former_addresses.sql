-- The address that a deleted service account had. Another account may have it now; whatever the deleted one did is shown,
-- and bound, under the address of then.
ALTER TABLE users ADD COLUMN former_email TEXT;

UPDATE users SET former_email = replace(email, '+deleted-' || lower(id), '') WHERE email LIKE '%+deleted-%.service';
