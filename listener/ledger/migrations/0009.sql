-- The ledger, version 9: history of accounts as a whole, and the audit, may be let go after a time, so that no ledger grows for ever.

-- Both are still append-only: a row goes only when it is older than this, and this never goes back. What is here from before it
-- may be incomplete.
CREATE TABLE horizon (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  at REAL NOT NULL
) STRICT;
INSERT INTO horizon VALUES (1, 0);
CREATE TRIGGER horizon_never_goes_back BEFORE UPDATE ON horizon WHEN NEW.at < OLD.at
BEGIN SELECT RAISE(ABORT, 'the horizon never goes back'); END;
CREATE TRIGGER horizon_is_never_removed BEFORE DELETE ON horizon
BEGIN SELECT RAISE(ABORT, 'the horizon never goes back'); END;

DROP TRIGGER events_go_only_with_their_entry;
CREATE TRIGGER events_go_only_with_their_entry BEFORE DELETE ON events
WHEN OLD.entry IS NOT NULL AND NOT EXISTS (SELECT 1 FROM removals WHERE entry = OLD.entry)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_of_accounts_go_only_when_old BEFORE DELETE ON events
WHEN OLD.entry IS NULL AND OLD.at >= (SELECT at FROM horizon)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

DROP TRIGGER audit_is_never_removed;
CREATE TRIGGER audit_goes_only_when_old BEFORE DELETE ON audit WHEN OLD.at >= (SELECT at FROM horizon)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

-- What a sweep walks, oldest first.
CREATE INDEX events_of_accounts ON events (id) WHERE entry IS NULL;
