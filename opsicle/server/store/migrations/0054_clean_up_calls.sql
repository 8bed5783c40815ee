-- A clean-up phase that calls does so after a cancel too, and waits for what it has called.

ALTER TABLE call_waits ADD COLUMN is_after_cancel INTEGER NOT NULL DEFAULT 0
    CHECK (is_after_cancel IN (0, 1));
