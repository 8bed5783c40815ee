-- Whether whoever made a token had shown a fresh code for it: only then may its scope stand in for one.
ALTER TABLE tokens ADD COLUMN is_proven INTEGER NOT NULL DEFAULT 0;
