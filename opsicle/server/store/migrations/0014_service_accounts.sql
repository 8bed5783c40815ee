-- Service accounts are members without a password, each owned by a person of the org; tokens may have scopes.
ALTER TABLE memberships ADD COLUMN owner_id TEXT REFERENCES users (id);

CREATE INDEX memberships_by_owner ON memberships (org_id, owner_id) WHERE owner_id IS NOT NULL;

-- A JSON list of rules' texts; NULL: all that its holder may do.
ALTER TABLE tokens ADD COLUMN scopes TEXT;
