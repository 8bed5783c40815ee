-- Labels that people grant, apart from what a worker says of itself. What a worker said until now was taken at its
-- word, so that it counts as granted once. A join token without labels (NULL) leaves them to the worker that enrols.
ALTER TABLE workers ADD COLUMN granted_labels TEXT NOT NULL DEFAULT '{}';
UPDATE workers SET granted_labels = labels;
ALTER TABLE join_tokens ADD COLUMN labels TEXT;

-- The addresses (JSON) from which two processes use one worker's identity at the same time.
ALTER TABLE workers ADD COLUMN copied_from TEXT;
