-- The automation that one goes on from, and as JSON where it goes on and what it is handed. Both
-- stand in its manifest; hence no reference, which retention would have to clear.
ALTER TABLE automations ADD COLUMN resumed_from TEXT;
ALTER TABLE automations ADD COLUMN resume_point TEXT;

CREATE INDEX automations_resumed ON automations (resumed_from) WHERE resumed_from IS NOT NULL;
