-- The ledger, version 1. docs/ledger.md explains it; a test holds the two together.
--
-- Rules of the file
-- 1. A state changes only along a row of `transitions`; the triggers at the end hold every writer to it.
-- 2. What we must do next stands in a partial index, so that looking for it never grows with old mail.
-- 3. Times are POSIX seconds; booleans are 0 or 1; digests are SHA-256.

CREATE TABLE fences (
  name   TEXT PRIMARY KEY,
  epoch  INTEGER NOT NULL,             -- raised by every opener; a writer whose epoch is not this one cannot commit
  probes INTEGER NOT NULL DEFAULT 0    -- raised by `probe`, which proves that we can still write
) STRICT, WITHOUT ROWID;
INSERT INTO fences (name, epoch) VALUES ('ledger', 0);

CREATE TABLE accounts (
  id     TEXT PRIMARY KEY,
  paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
  name       TEXT PRIMARY KEY,
  sealed     BLOB NOT NULL,            -- encrypted by the caller; never clear
  updated_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- --- receiving -------------------------------------------------------------------------------------------------------

CREATE TABLE sync_states (
  account    TEXT NOT NULL,
  folder     TEXT NOT NULL,
  sync_state TEXT,                                                          -- null: the protocol has none
  generation INTEGER NOT NULL DEFAULT 0,                                    -- how often the server gave its ids anew
  resetting  INTEGER NOT NULL DEFAULT 0 CHECK (resetting IN (0, 1)),        -- a reset's pages are not all here yet
  PRIMARY KEY (account, folder)
) STRICT, WITHOUT ROWID;

CREATE TABLE baselines (
  account     TEXT NOT NULL,
  folder      TEXT NOT NULL,
  sync_state  TEXT,
  received_at REAL NOT NULL,
  PRIMARY KEY (account, folder)
) STRICT, WITHOUT ROWID;

CREATE TABLE fetch_attempts (
  account   TEXT NOT NULL,
  folder    TEXT NOT NULL,
  unique_id TEXT NOT NULL,
  attempts  INTEGER NOT NULL,
  PRIMARY KEY (account, folder, unique_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE raw (
  id     INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
  octets BLOB                          -- null: pruned; the digest stays, so that the message is still known
) STRICT;

CREATE TABLE entries (
  id           INTEGER PRIMARY KEY,
  account      TEXT NOT NULL,
  folder       TEXT NOT NULL,
  unique_id    TEXT NOT NULL,
  provider_id  TEXT,
  size         INTEGER,                -- octets as the server announced them
  received_at  REAL,                   -- INTERNALDATE or its like
  generation   INTEGER NOT NULL DEFAULT 0,
  extent       TEXT NOT NULL CHECK (extent IN ('whole', 'header', 'none')),
  raw          INTEGER REFERENCES raw (id),
  state        TEXT NOT NULL CHECK (state IN ('accepted', 'filed', 'done', 'ignored', 'quarantined', 'dead')),
  reason       TEXT NOT NULL DEFAULT '',
  duplicate_of INTEGER REFERENCES entries (id),
  owed         INTEGER NOT NULL DEFAULT 0 CHECK (owed IN (0, 1)),           -- the server must still be told
  refetch      INTEGER NOT NULL DEFAULT 0 CHECK (refetch IN (0, 1)),        -- fetch it when it is listed or released
  epoch        INTEGER NOT NULL,       -- the process life that accepted it
  attempts     INTEGER NOT NULL DEFAULT 0,                                  -- times that parsing it was begun
  accepted_at  REAL NOT NULL,
  UNIQUE (account, folder, unique_id),
  CHECK ((extent = 'none') = (raw IS NULL)),
  CHECK (extent = 'whole' OR (owed = 0 AND state IN ('ignored', 'quarantined'))),     -- store before telling
  CHECK ((reason = '') = (state IN ('accepted', 'filed', 'done'))),
  CHECK (duplicate_of IS NULL OR state IN ('ignored', 'accepted'))
) STRICT;

-- One message of an account is filed once: any further row with the same octets names this one in duplicate_of.
CREATE UNIQUE INDEX entries_by_content ON entries (raw, account) WHERE extent = 'whole' AND duplicate_of IS NULL;
CREATE INDEX entries_by_original ON entries (duplicate_of, generation) WHERE duplicate_of IS NOT NULL;
CREATE INDEX entries_by_provider_id ON entries (account, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX entries_due ON entries (epoch, id) WHERE state = 'accepted';
CREATE INDEX entries_owed ON entries (account, id) WHERE owed = 1;
CREATE INDEX entries_released ON entries (account, id) WHERE refetch = 1 AND state = 'quarantined';
CREATE INDEX entries_by_state ON entries (state, id);
CREATE INDEX entries_by_account ON entries (account, state, id);

-- --- filing ----------------------------------------------------------------------------------------------------------

CREATE TABLE cases (
  number     INTEGER PRIMARY KEY,      -- order of making; never shown
  id         TEXT NOT NULL UNIQUE,     -- derived from account and first message, so that a lost ledger gives it again
  account    TEXT NOT NULL,
  subject    TEXT NOT NULL,
  requester  TEXT NOT NULL,
  status     TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
  opened_by  INTEGER NOT NULL REFERENCES entries (id),
  messages   INTEGER NOT NULL DEFAULT 0,
  updated_at REAL NOT NULL
) STRICT;
CREATE INDEX cases_by_account ON cases (account, number);

CREATE TABLE messages (
  entry      INTEGER PRIMARY KEY REFERENCES entries (id),
  case_id    TEXT REFERENCES cases (id),       -- null: ended before a case
  message_id TEXT NOT NULL,
  kind       TEXT NOT NULL,
  subject    TEXT NOT NULL,
  sender     TEXT NOT NULL,
  body       TEXT NOT NULL                     -- the parsed message as JSON, schema 1
) STRICT;
CREATE INDEX messages_by_case ON messages (case_id, entry) WHERE case_id IS NOT NULL;

CREATE TABLE message_ids (
  account    TEXT NOT NULL,
  message_id TEXT NOT NULL,
  entry      INTEGER NOT NULL REFERENCES entries (id),
  case_id    TEXT NOT NULL REFERENCES cases (id),
  PRIMARY KEY (account, message_id, entry)
) STRICT, WITHOUT ROWID;

CREATE TABLE attachments (
  entry        INTEGER NOT NULL REFERENCES entries (id),
  position     INTEGER NOT NULL,
  filename     TEXT NOT NULL,
  content_type TEXT NOT NULL,
  size         INTEGER NOT NULL,
  sha256       TEXT NOT NULL,
  content_id   TEXT,
  disposition  TEXT NOT NULL,
  PRIMARY KEY (entry, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE participants (
  case_id TEXT NOT NULL REFERENCES cases (id),
  address TEXT NOT NULL COLLATE NOCASE,
  name    TEXT NOT NULL,
  PRIMARY KEY (case_id, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE case_references (
  case_id   TEXT NOT NULL REFERENCES cases (id),
  hook      TEXT NOT NULL,
  reference TEXT NOT NULL,
  PRIMARY KEY (case_id, hook)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
  id              INTEGER PRIMARY KEY,
  entry           INTEGER NOT NULL REFERENCES entries (id),
  case_id         TEXT NOT NULL REFERENCES cases (id),
  account         TEXT NOT NULL,
  hook            TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  state           TEXT NOT NULL CHECK (state IN ('due', 'done', 'ignored', 'dead')),
  due_at          REAL,                -- null while an earlier delivery of the same case and hook is unfinished
  attempts        INTEGER NOT NULL DEFAULT 0,
  reason          TEXT NOT NULL DEFAULT '',    -- the last error, or why it was ignored or died
  outcome         TEXT NOT NULL DEFAULT '{}',  -- what the hook answered, as JSON
  UNIQUE (entry, hook)
) STRICT;
CREATE INDEX deliveries_due ON deliveries (hook, due_at, id) WHERE state = 'due' AND due_at IS NOT NULL;
CREATE INDEX deliveries_line ON deliveries (case_id, hook, id) WHERE state = 'due';
-- Within one case and hook only one delivery is at the head of the line.
CREATE UNIQUE INDEX deliveries_head ON deliveries (case_id, hook) WHERE state = 'due' AND due_at IS NOT NULL;

CREATE TABLE responses (
  id         INTEGER PRIMARY KEY,
  entry      INTEGER NOT NULL UNIQUE REFERENCES entries (id),      -- at most one automatic reply a message
  case_id    TEXT NOT NULL REFERENCES cases (id),
  account    TEXT NOT NULL,
  recipient  TEXT NOT NULL,
  message_id TEXT NOT NULL UNIQUE,
  octets     BLOB NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('ready', 'sending', 'sent', 'deferred', 'failed', 'unknown')),
  due_at     REAL NOT NULL,
  attempts   INTEGER NOT NULL DEFAULT 0,
  reason     TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX responses_due ON responses (due_at, id) WHERE state IN ('ready', 'sending', 'deferred');

-- --- history ---------------------------------------------------------------------------------------------------------

CREATE TABLE events (
  id      INTEGER PRIMARY KEY,
  entry   INTEGER REFERENCES entries (id),     -- null: of the account as a whole
  account TEXT NOT NULL,
  at      REAL NOT NULL,
  kind    TEXT NOT NULL,
  detail  TEXT NOT NULL                        -- JSON
) STRICT;
CREATE INDEX events_by_entry ON events (entry, id) WHERE entry IS NOT NULL;
CREATE INDEX events_by_account ON events (account, id) WHERE entry IS NULL;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_never_removed BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

-- How many entries of an account are in each state, kept by triggers, so that counting never grows with old mail.
CREATE TABLE tallies (
  account TEXT NOT NULL,
  state   TEXT NOT NULL,
  reason  TEXT NOT NULL,
  entries INTEGER NOT NULL,
  PRIMARY KEY (account, state, reason)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tally_new_entries AFTER INSERT ON entries
BEGIN
  INSERT INTO tallies VALUES (NEW.account, NEW.state, NEW.reason, 1)
  ON CONFLICT (account, state, reason) DO UPDATE SET entries = entries + 1;
END;
CREATE TRIGGER tally_changed_entries AFTER UPDATE OF state, reason ON entries
WHEN OLD.state <> NEW.state OR OLD.reason <> NEW.reason
BEGIN
  UPDATE tallies SET entries = entries - 1 WHERE account = OLD.account AND state = OLD.state AND reason = OLD.reason;
  INSERT INTO tallies VALUES (NEW.account, NEW.state, NEW.reason, 1)
  ON CONFLICT (account, state, reason) DO UPDATE SET entries = entries + 1;
END;

-- --- legal transitions -----------------------------------------------------------------------------------------------

CREATE TABLE transitions (
  subject TEXT NOT NULL,
  before  TEXT NOT NULL,               -- '': a new row
  after   TEXT NOT NULL,
  cause   TEXT NOT NULL,
  PRIMARY KEY (subject, before, after)
) STRICT, WITHOUT ROWID;

INSERT INTO transitions (subject, before, after, cause) VALUES
  ('entries', '', 'accepted', 'fetched and stored whole'),
  ('entries', '', 'ignored', 'before the baseline, a duplicate, or gone before we could fetch it'),
  ('entries', '', 'quarantined', 'too large, or refused by the server'),
  ('entries', 'accepted', 'filed', 'parsed, its case decided, its deliveries written'),
  ('entries', 'accepted', 'ignored', 'by a rule, or found a duplicate'),
  ('entries', 'accepted', 'quarantined', 'could not be parsed safely, or held by a rule'),
  ('entries', 'accepted', 'dead', 'could never be parsed or filed'),
  ('entries', 'filed', 'done', 'every delivery done or ignored'),
  ('entries', 'filed', 'dead', 'every delivery finished, one of them dead'),
  ('entries', 'dead', 'filed', 'retry'),
  ('entries', 'dead', 'accepted', 'retry of what was never filed'),
  ('entries', 'quarantined', 'accepted', 'release'),
  ('entries', 'ignored', 'accepted', 'only vanished: the server listed it again and handed it over'),
  ('entries', 'ignored', 'quarantined', 'only vanished: the server listed it again and it is too large or refused'),
  ('deliveries', '', 'due', 'filed'),
  ('deliveries', 'due', 'done', 'the hook filed it, or had nothing to add'),
  ('deliveries', 'due', 'ignored', 'the hook ignored it'),
  ('deliveries', 'due', 'dead', 'refused, failed too often, or its hook was removed'),
  ('deliveries', 'dead', 'due', 'retry'),
  ('responses', '', 'ready', 'composed'),
  ('responses', 'ready', 'sending', 'begun, committed before the first octet is sent'),
  ('responses', 'ready', 'failed', 'withdrawn before it was begun'),
  ('responses', 'sending', 'sent', 'the server took it'),
  ('responses', 'sending', 'deferred', 'the server said not now'),
  ('responses', 'sending', 'failed', 'the server said no'),
  ('responses', 'sending', 'unknown', 'nobody can tell whether the server took it'),
  ('responses', 'deferred', 'sending', 'begun again'),
  ('responses', 'deferred', 'failed', 'too often, or too late');

CREATE TRIGGER entries_begin BEFORE INSERT ON entries
WHEN NOT EXISTS (SELECT 1 FROM transitions WHERE subject = 'entries' AND before = '' AND after = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition of an entry'); END;
CREATE TRIGGER entries_change BEFORE UPDATE OF state ON entries
WHEN OLD.state <> NEW.state AND (
  NOT EXISTS (SELECT 1 FROM transitions WHERE subject = 'entries' AND before = OLD.state AND after = NEW.state)
  OR (OLD.state = 'ignored' AND OLD.reason <> 'vanished'))
BEGIN SELECT RAISE(ABORT, 'illegal transition of an entry'); END;
CREATE TRIGGER entries_done BEFORE UPDATE OF state ON entries
WHEN OLD.state <> NEW.state AND NEW.state = 'done'
  AND EXISTS (SELECT 1 FROM deliveries WHERE entry = NEW.id AND state NOT IN ('done', 'ignored'))
BEGIN SELECT RAISE(ABORT, 'an entry is done only when every delivery is done or ignored'); END;
CREATE TRIGGER entries_dead BEFORE UPDATE OF state ON entries
WHEN OLD.state = 'filed' AND NEW.state = 'dead' AND (
  EXISTS (SELECT 1 FROM deliveries WHERE entry = NEW.id AND state = 'due')
  OR NOT EXISTS (SELECT 1 FROM deliveries WHERE entry = NEW.id AND state = 'dead'))
BEGIN SELECT RAISE(ABORT, 'an entry is dead only when every delivery is finished and one is dead'); END;

CREATE TRIGGER deliveries_begin BEFORE INSERT ON deliveries
WHEN NOT EXISTS (SELECT 1 FROM transitions WHERE subject = 'deliveries' AND before = '' AND after = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition of a delivery'); END;
CREATE TRIGGER deliveries_change BEFORE UPDATE OF state ON deliveries
WHEN OLD.state <> NEW.state
  AND NOT EXISTS (SELECT 1 FROM transitions WHERE subject = 'deliveries' AND before = OLD.state AND after = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition of a delivery'); END;

CREATE TRIGGER responses_begin BEFORE INSERT ON responses
WHEN NOT EXISTS (SELECT 1 FROM transitions WHERE subject = 'responses' AND before = '' AND after = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition of a response'); END;
CREATE TRIGGER responses_change BEFORE UPDATE OF state ON responses
WHEN OLD.state <> NEW.state
  AND NOT EXISTS (SELECT 1 FROM transitions WHERE subject = 'responses' AND before = OLD.state AND after = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition of a response'); END;
