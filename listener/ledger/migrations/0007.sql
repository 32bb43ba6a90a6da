-- The ledger, version 7: retention. What is dealt with may be let go after a time: octets first, then cases, keys last.

-- The server was told to delete or move the message, and confirmed: it never lists this unique id again.
ALTER TABLE entries ADD COLUMN gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1));

-- What a sweep walks, each oldest first.
CREATE INDEX raw_kept ON raw (id) WHERE octets IS NOT NULL;
CREATE INDEX cases_by_age ON cases (updated_at, number);
CREATE INDEX entries_gone ON entries (id) WHERE gone = 1;
-- What a removed row is looked for by, in the tables that name it.
CREATE INDEX entries_by_raw ON entries (raw) WHERE raw IS NOT NULL;
CREATE INDEX cases_by_opening ON cases (opened_by);
CREATE INDEX muted_by_response ON muted (response);
CREATE INDEX muted_by_entry ON muted (entry);

-- One index finds both what is due in a line and what names a case; each index of all deliveries is paid for by every message.
DROP INDEX deliveries_line;
CREATE INDEX deliveries_line ON deliveries (case_id, hook, state, id);

-- Message-IDs go with their case (retention.sql), by their key. References to cases and entries would need an index each.
ALTER TABLE message_ids RENAME TO referring_message_ids;
CREATE TABLE message_ids (
  account    TEXT NOT NULL,
  message_id TEXT NOT NULL,
  entry      INTEGER NOT NULL,
  case_id    TEXT NOT NULL,
  PRIMARY KEY (account, message_id, entry)
) STRICT, WITHOUT ROWID;
INSERT INTO message_ids SELECT account, message_id, entry, case_id FROM referring_message_ids;
DROP TABLE referring_message_ids;

CREATE TRIGGER tally_removed_entries AFTER DELETE ON entries
BEGIN
  UPDATE tallies SET entries = entries - 1 WHERE account = OLD.account AND state = OLD.state AND reason = OLD.reason;
END;

-- History is still append-only, and goes only with its entry: in one transaction that says so first.
CREATE TABLE removals (
  entry INTEGER PRIMARY KEY            -- being removed; empty between transactions
) STRICT;
DROP TRIGGER events_are_never_removed;
CREATE TRIGGER events_go_only_with_their_entry BEFORE DELETE ON events
WHEN OLD.entry IS NULL OR NOT EXISTS (SELECT 1 FROM removals WHERE entry = OLD.entry)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
