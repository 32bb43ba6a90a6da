-- The ledger, version 2: cases. Who may add to one, what is linked to what, and what is a copy of what.

-- 'unverified': a valid token brought it, its bearer is unknown to the case; 'note': a notice about mail of ours.
ALTER TABLE messages ADD COLUMN standing TEXT NOT NULL DEFAULT '' CHECK (standing IN ('', 'unverified', 'note'));

-- Ignored, because it is that message sent or delivered once more: other octets, so it is no row of duplicate_of.
ALTER TABLE entries ADD COLUMN copy_of INTEGER REFERENCES entries (id) ON DELETE SET NULL;
CREATE INDEX entries_by_copied ON entries (copy_of) WHERE copy_of IS NOT NULL;

ALTER TABLE cases ADD COLUMN closed_at REAL;             -- null: open, or closed by an older version
ALTER TABLE cases ADD COLUMN topic TEXT;                 -- requester and bare subject, hashed; null where too little is said
ALTER TABLE cases ADD COLUMN restored INTEGER NOT NULL DEFAULT 0 CHECK (restored IN (0, 1));   -- by a token; its opener is unknown
CREATE INDEX cases_by_topic ON cases (account, topic, number) WHERE topic IS NOT NULL;

CREATE TABLE case_links (
  id      INTEGER PRIMARY KEY,
  case_id TEXT NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
  other   TEXT NOT NULL REFERENCES cases (id) ON DELETE CASCADE,         -- the earlier one
  kind    TEXT NOT NULL CHECK (kind IN ('follow_up', 'related')),
  why     TEXT NOT NULL,
  UNIQUE (case_id, other)
) STRICT;
CREATE INDEX case_links_by_other ON case_links (other, kind, id);

-- Only who wrote takes part. Version 1 also kept who stood in To and Cc; nobody may come into a case by that.
ALTER TABLE participants ADD COLUMN role TEXT NOT NULL DEFAULT 'sender' CHECK (role IN ('requester', 'sender', 'reply_to'));
DELETE FROM participants WHERE NOT EXISTS (
  SELECT 1 FROM messages AS m WHERE m.case_id = participants.case_id AND m.sender = participants.address COLLATE NOCASE);
UPDATE participants SET role = 'requester' WHERE EXISTS (
  SELECT 1 FROM cases AS c WHERE c.id = participants.case_id AND c.requester = participants.address COLLATE NOCASE);
