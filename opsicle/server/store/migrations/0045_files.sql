-- Files that people have uploaded, to be given to automations. Whoever uploaded one may use it until it expires;
-- `used_at` is when an automation has first taken it, and then it no longer counts as theirs.
CREATE TABLE uploads (
    id         TEXT PRIMARY KEY,
    org_id     TEXT NOT NULL REFERENCES orgs (id),
    user_id    TEXT NOT NULL,
    name       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    sha256     TEXT NOT NULL,
    created_at TEXT NOT NULL,
    used_at    TEXT,
    FOREIGN KEY (org_id, sha256) REFERENCES contents (org_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE INDEX uploads_by_age ON uploads (created_at);
CREATE INDEX uploads_unused ON uploads (org_id, user_id) WHERE used_at IS NULL;
CREATE INDEX uploads_by_content ON uploads (org_id, sha256);

CREATE TRIGGER uploads_use_contents AFTER INSERT ON uploads
BEGIN
    UPDATE contents SET uses = uses + 1 WHERE org_id = NEW.org_id AND sha256 = NEW.sha256;
END;

CREATE TRIGGER uploads_let_contents_go AFTER DELETE ON uploads
BEGIN
    UPDATE contents SET uses = uses - 1 WHERE org_id = OLD.org_id AND sha256 = OLD.sha256;
END;

-- The files that automations are given, as their manifests bind them. They stay as long as their automation does.
CREATE TABLE automation_files (
    automation_id TEXT NOT NULL REFERENCES automations (id),
    variable      TEXT NOT NULL,
    position      INTEGER NOT NULL,
    id            TEXT NOT NULL UNIQUE,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    name          TEXT NOT NULL,
    size          INTEGER NOT NULL,
    sha256        TEXT NOT NULL,
    PRIMARY KEY (automation_id, variable, position),
    FOREIGN KEY (org_id, sha256) REFERENCES contents (org_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE INDEX automation_files_by_content ON automation_files (org_id, sha256);

CREATE TRIGGER automation_files_use_contents AFTER INSERT ON automation_files
BEGIN
    UPDATE contents SET uses = uses + 1 WHERE org_id = NEW.org_id AND sha256 = NEW.sha256;
END;

CREATE TRIGGER automation_files_let_contents_go AFTER DELETE ON automation_files
BEGIN
    UPDATE contents SET uses = uses - 1 WHERE org_id = OLD.org_id AND sha256 = OLD.sha256;
END;
