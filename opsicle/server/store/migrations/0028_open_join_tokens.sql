-- How many join tokens of an org may still be used is asked whenever one is made.
CREATE INDEX join_tokens_open ON join_tokens (org_id, expires_at) WHERE used_at IS NULL;
