-- The ledger, version 3: rules. What floods are counted by, what is held of them, and what was let through again.

-- The reason of the quarantine that the entry was released from; '': it was never released. Such an entry is not judged again,
-- and one that was held for a flood gets no automatic reply.
ALTER TABLE entries ADD COLUMN released TEXT NOT NULL DEFAULT '';

-- When each sender's messages came, of those that passed; kept for as long as they can count.
CREATE TABLE arrivals (
  id      INTEGER PRIMARY KEY,
  account TEXT NOT NULL,
  sender  TEXT NOT NULL,
  at      REAL NOT NULL,
  until   REAL NOT NULL                -- it counts no longer from then on, and may be removed
) STRICT;
CREATE INDEX arrivals_by_sender ON arrivals (account, sender, at);

-- Senders of whom something is held, and when the next of it is released.
CREATE TABLE floods (
  account TEXT NOT NULL,
  sender  TEXT NOT NULL,
  since   REAL NOT NULL,
  due_at  REAL NOT NULL,
  PRIMARY KEY (account, sender)
) STRICT, WITHOUT ROWID;
CREATE INDEX floods_due ON floods (due_at);

-- Entries held for a flood, until they are filed: those behind them wait, so that a sender's messages stay in order.
CREATE TABLE held (
  entry   INTEGER PRIMARY KEY REFERENCES entries (id),
  account TEXT NOT NULL,
  sender  TEXT NOT NULL,
  waiting INTEGER NOT NULL DEFAULT 1 CHECK (waiting IN (0, 1))     -- 0: released, and on its way to a case
) STRICT;
CREATE INDEX held_by_sender ON held (account, sender, waiting, entry);

CREATE TRIGGER entries_released_once AFTER UPDATE OF state ON entries
WHEN OLD.state = 'quarantined' AND NEW.state = 'accepted'
BEGIN
  UPDATE entries SET released = CASE OLD.released WHEN 'flood' THEN 'flood' ELSE OLD.reason END WHERE id = NEW.id;
  UPDATE held SET waiting = 0 WHERE entry = NEW.id;
END;
CREATE TRIGGER entries_held_no_longer AFTER UPDATE OF state ON entries
WHEN OLD.state = 'accepted' AND OLD.released = 'flood'
BEGIN DELETE FROM held WHERE entry = OLD.id; END;
