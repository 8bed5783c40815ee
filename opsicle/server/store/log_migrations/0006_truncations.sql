-- Why a part of a log is not here: "" where the server has lost it, else by which rule it was not kept.
ALTER TABLE gaps ADD COLUMN reason TEXT NOT NULL DEFAULT '';
