-- A join token may be for many workers: `uses` of `max_uses` have enrolled. `used_at` is when the last of them did.
ALTER TABLE join_tokens ADD COLUMN max_uses INTEGER NOT NULL DEFAULT 1;
ALTER TABLE join_tokens ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;
ALTER TABLE join_tokens ADD COLUMN revoked_at TEXT;
UPDATE join_tokens SET uses = 1 WHERE used_at IS NOT NULL;
DROP INDEX join_tokens_open;
CREATE INDEX join_tokens_open ON join_tokens (org_id, expires_at) WHERE uses < max_uses;

-- By which token a worker of such a one enrolled, and the digest of the key that it had then: asked again with the same
-- key, the server knows that it has answered already.
ALTER TABLE workers ADD COLUMN join_token_id TEXT;
ALTER TABLE workers ADD COLUMN enrolled_key TEXT;
CREATE UNIQUE INDEX workers_by_enrolment ON workers (join_token_id, enrolled_key) WHERE join_token_id IS NOT NULL;

-- One that takes one job and leaves. Those that have left are many: whoever looks for the others is not to read them.
ALTER TABLE workers ADD COLUMN is_ephemeral INTEGER NOT NULL DEFAULT 0;
CREATE INDEX workers_named ON workers (name);
CREATE INDEX workers_in_service ON workers (org_id, id) WHERE state <> 'revoked' AND NOT is_shared;
CREATE INDEX workers_ephemeral ON workers (last_seen_at) WHERE is_ephemeral AND state <> 'revoked';
