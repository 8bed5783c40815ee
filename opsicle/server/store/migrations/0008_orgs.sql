-- Who runs the server itself, beside what they are in their orgs. On a server that exists it is whoever has set it up,
-- whose account is the first one.
ALTER TABLE users ADD COLUMN is_provider_admin INTEGER NOT NULL DEFAULT 0;

UPDATE users SET is_provider_admin = 1 WHERE id = (SELECT min(id) FROM users);
