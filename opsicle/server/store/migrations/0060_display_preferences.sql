-- How somebody wants to read the pages: in which language ('' as the browser asks), in which time zone ('' the browser's
-- own), and whether a time says how long ago it was or when exactly.
ALTER TABLE users ADD COLUMN language TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN times TEXT NOT NULL DEFAULT 'relative';
