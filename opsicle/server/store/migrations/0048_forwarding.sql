-- How far the record has been forwarded (docs/forwarding.md): the last entry of each chain that has
-- surely arrived at a destination. Whoever begins to forward begins with what comes after that.
CREATE TABLE forwarding_cursors (
    destination TEXT NOT NULL,
    org_id      TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    PRIMARY KEY (destination, org_id)
) STRICT, WITHOUT ROWID;
