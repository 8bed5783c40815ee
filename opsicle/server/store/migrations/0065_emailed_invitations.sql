-- The delivery by which an invitation went out as an e-mail; NULL: whoever invites hands the link over. It names no row
-- by a reference, as deliveries are forgotten before the invitation is. The second index is for how many a day an org sends.
ALTER TABLE invitations ADD COLUMN delivery_id TEXT;
CREATE INDEX invitations_by_delivery ON invitations (delivery_id) WHERE delivery_id IS NOT NULL;
CREATE INDEX invitations_emailed ON invitations (org_id, created_at) WHERE delivery_id IS NOT NULL;
