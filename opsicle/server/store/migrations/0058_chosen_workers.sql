-- The one worker that was chosen for an automation, as JSON; "" where any may take it that fits.
ALTER TABLE automations ADD COLUMN only_worker TEXT NOT NULL DEFAULT '';
