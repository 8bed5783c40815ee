-- The roles that there are are the program's and the org's to say, not the table's.
CREATE TABLE memberships_anew (
    org_id      TEXT NOT NULL REFERENCES orgs (id),
    user_id     TEXT NOT NULL REFERENCES users (id),
    role        TEXT NOT NULL,
    manager_id  TEXT REFERENCES users (id),
    is_disabled INTEGER NOT NULL DEFAULT 0,
    created_at  TEXT NOT NULL,
    PRIMARY KEY (org_id, user_id)
) STRICT, WITHOUT ROWID;

INSERT INTO memberships_anew SELECT org_id, user_id, role, manager_id, is_disabled, created_at FROM memberships;

DROP TABLE memberships;

ALTER TABLE memberships_anew RENAME TO memberships;

CREATE INDEX memberships_by_user ON memberships (user_id);
