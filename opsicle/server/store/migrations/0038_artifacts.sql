-- Files on the server's disk, named by what is in them: of each org its own, so that nobody can find out what another
-- has. `uses` counts the rows that name a file; the file goes when none does. `problem` says what was found wrong with it.
CREATE TABLE contents (
    org_id     TEXT NOT NULL REFERENCES orgs (id),
    sha256     TEXT NOT NULL,
    size       INTEGER NOT NULL,
    uses       INTEGER NOT NULL DEFAULT 0,
    problem    TEXT NOT NULL DEFAULT '',
    checked_at TEXT NOT NULL,
    PRIMARY KEY (org_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE INDEX contents_unused ON contents (org_id) WHERE uses = 0;
CREATE INDEX contents_by_check ON contents (checked_at);

CREATE TABLE content_usage (
    org_id TEXT PRIMARY KEY REFERENCES orgs (id),
    stored INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER contents_that_come_are_counted AFTER INSERT ON contents
BEGIN
    INSERT INTO content_usage (org_id, stored) VALUES (NEW.org_id, NEW.size)
        ON CONFLICT (org_id) DO UPDATE SET stored = stored + NEW.size;
END;

CREATE TRIGGER contents_that_go_are_counted AFTER DELETE ON contents
BEGIN
    UPDATE content_usage SET stored = stored - OLD.size WHERE org_id = OLD.org_id;
END;

-- What a job left behind, by its path. Without `sha256` nothing is kept, and `problem` says why.
CREATE TABLE artifacts (
    id            TEXT NOT NULL UNIQUE,
    job_id        TEXT NOT NULL REFERENCES jobs (id),
    path          TEXT NOT NULL,
    org_id        TEXT NOT NULL REFERENCES orgs (id),
    automation_id TEXT NOT NULL REFERENCES automations (id),
    phase         INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    sha256        TEXT,
    problem       TEXT NOT NULL DEFAULT '',
    created_at    TEXT NOT NULL,
    PRIMARY KEY (job_id, path),
    FOREIGN KEY (org_id, sha256) REFERENCES contents (org_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE INDEX artifacts_by_automation ON artifacts (automation_id);
CREATE INDEX artifacts_by_content ON artifacts (org_id, sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX artifacts_by_age ON artifacts (org_id, created_at) WHERE sha256 IS NOT NULL;

CREATE TRIGGER artifacts_use_contents AFTER INSERT ON artifacts WHEN NEW.sha256 IS NOT NULL
BEGIN
    UPDATE contents SET uses = uses + 1 WHERE org_id = NEW.org_id AND sha256 = NEW.sha256;
END;

CREATE TRIGGER artifacts_let_contents_go AFTER DELETE ON artifacts WHEN OLD.sha256 IS NOT NULL
BEGIN
    UPDATE contents SET uses = uses - 1 WHERE org_id = OLD.org_id AND sha256 = OLD.sha256;
END;

CREATE TRIGGER artifacts_expire AFTER UPDATE OF sha256 ON artifacts
WHEN OLD.sha256 IS NOT NULL AND NEW.sha256 IS NULL
BEGIN
    UPDATE contents SET uses = uses - 1 WHERE org_id = OLD.org_id AND sha256 = OLD.sha256;
END;
