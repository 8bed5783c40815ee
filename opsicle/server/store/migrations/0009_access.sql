-- What an org adds to the roles that the program has: roles of its own, and rules for built-in roles and for people.
-- `rules` is a JSON list of texts, as in `allow execute templates/restart-web`.

-- A row with a built-in role's name holds what the org adds to that role.
CREATE TABLE roles (
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    rules       TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;

ALTER TABLE memberships ADD COLUMN rules TEXT NOT NULL DEFAULT '[]';
