-- Why a version was pushed, in the words of whoever did: "" where nobody said.
ALTER TABLE template_versions ADD COLUMN message TEXT NOT NULL DEFAULT '';
ALTER TABLE policy_versions ADD COLUMN message TEXT NOT NULL DEFAULT '';
ALTER TABLE schedule_versions ADD COLUMN message TEXT NOT NULL DEFAULT '';
ALTER TABLE trigger_versions ADD COLUMN message TEXT NOT NULL DEFAULT '';
ALTER TABLE target_versions ADD COLUMN message TEXT NOT NULL DEFAULT '';
