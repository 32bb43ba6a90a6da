-- The ledger, version 4: responses. Outgoing mail of every purpose, the addresses that get no automatic mail any more, and
-- when each account began. No released version wrote into `responses`, so the table is made anew.

DROP TABLE responses;
DELETE FROM transitions WHERE subject = 'responses';

ALTER TABLE accounts ADD COLUMN started_at REAL;      -- its first baseline: nobody is answered for older mail
INSERT INTO accounts (id, started_at)
  SELECT account, min(at) FROM events WHERE entry IS NULL AND kind = 'account.baseline' GROUP BY account
  ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at;

CREATE TABLE responses (
  id         INTEGER PRIMARY KEY,
  key        TEXT NOT NULL UNIQUE,     -- what it is owed to; a second row of the same key is never made
  purpose    TEXT NOT NULL CHECK (purpose IN ('automatic', 'hook', 'notification', 'alert')),
  account    TEXT NOT NULL,            -- whose sender sends it
  entry      INTEGER REFERENCES entries (id),
  case_id    TEXT REFERENCES cases (id),
  hook       TEXT NOT NULL DEFAULT '',
  recipient  TEXT NOT NULL COLLATE NOCASE,              -- '' only where it is suppressed
  domain     TEXT NOT NULL,                             -- of the recipient, in small letters
  verified   INTEGER NOT NULL DEFAULT 0 CHECK (verified IN (0, 1)),     -- the recipient's domain vouched for the message
  subject    TEXT NOT NULL DEFAULT '', -- given words of it; '': the template's
  text       TEXT NOT NULL DEFAULT '',
  message_id TEXT UNIQUE,              -- ours, without <>; null until it is composed
  octets     BLOB,                     -- null until it is composed
  draft      TEXT,                     -- its immutable id in Microsoft Graph
  state      TEXT NOT NULL CHECK (state IN ('ready', 'suppressed', 'sending', 'sent', 'deferred', 'failed', 'unknown')),
  due_at     REAL,                     -- null: nothing is to be done
  attempts   INTEGER NOT NULL DEFAULT 0,
  repeated   INTEGER NOT NULL DEFAULT 0 CHECK (repeated IN (0, 1)),     -- it may have arrived before it was sent again
  reason     TEXT NOT NULL DEFAULT '', -- the rule that suppressed it, or the last error
  created_at REAL NOT NULL,
  sent_at    REAL,
  CHECK (entry IS NOT NULL OR purpose IN ('notification', 'alert')),
  CHECK (due_at IS NULL OR state IN ('ready', 'deferred') OR (state = 'unknown' AND purpose <> 'automatic')),
  CHECK (recipient <> '' OR state = 'suppressed'),
  CHECK (state <> 'suppressed' OR reason <> ''),
  CHECK (state IN ('ready', 'suppressed', 'failed') OR (octets IS NOT NULL AND message_id IS NOT NULL)),
  CHECK ((state = 'sent') = (sent_at IS NOT NULL))
) STRICT;
-- At most one automatic reply a message, sent or suppressed.
CREATE UNIQUE INDEX responses_automatic ON responses (entry) WHERE purpose = 'automatic';
CREATE INDEX responses_due ON responses (account, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX responses_by_state ON responses (state, id);
CREATE INDEX responses_by_account ON responses (account, id);
CREATE INDEX responses_by_account_state ON responses (account, state, id);
CREATE INDEX responses_by_entry ON responses (entry, id) WHERE entry IS NOT NULL;
CREATE INDEX responses_by_case ON responses (case_id, id) WHERE case_id IS NOT NULL;
-- The budgets: what was not suppressed, newest last.
CREATE INDEX responses_in_case ON responses (case_id) WHERE state <> 'suppressed' AND purpose = 'automatic';
CREATE INDEX responses_to_sender ON responses (account, recipient, purpose, created_at) WHERE state <> 'suppressed';
CREATE INDEX responses_of_account ON responses (account, created_at)
  WHERE state <> 'suppressed' AND purpose IN ('automatic', 'hook');
CREATE INDEX responses_to_domain ON responses (domain, created_at)
  WHERE state <> 'suppressed' AND purpose IN ('automatic', 'hook') AND verified = 0;

-- How many answers were made in each hour, kept by a trigger: what the breaker compares.
CREATE TABLE response_hours (
  hour      INTEGER PRIMARY KEY,       -- since 1970
  responses INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER count_responses AFTER INSERT ON responses
WHEN NEW.state <> 'suppressed' AND NEW.purpose IN ('automatic', 'hook')
BEGIN
  INSERT INTO response_hours VALUES (CAST(NEW.created_at / 3600 AS INTEGER), 1)
  ON CONFLICT (hour) DO UPDATE SET responses = responses + 1;
END;

-- How many responses are in each state and, where suppressed, by which rule; kept by triggers.
CREATE TABLE response_tallies (
  purpose   TEXT NOT NULL,
  state     TEXT NOT NULL,
  rule      TEXT NOT NULL,             -- '' unless suppressed
  responses INTEGER NOT NULL,
  PRIMARY KEY (purpose, state, rule)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER tally_new_responses AFTER INSERT ON responses
BEGIN
  INSERT INTO response_tallies
  VALUES (NEW.purpose, NEW.state, CASE NEW.state WHEN 'suppressed' THEN NEW.reason ELSE '' END, 1)
  ON CONFLICT (purpose, state, rule) DO UPDATE SET responses = responses + 1;
END;
CREATE TRIGGER tally_changed_responses AFTER UPDATE OF state ON responses
WHEN OLD.state <> NEW.state
BEGIN
  UPDATE response_tallies SET responses = responses - 1 WHERE purpose = OLD.purpose AND state = OLD.state AND rule = '';
  INSERT INTO response_tallies VALUES (NEW.purpose, NEW.state, '', 1)
  ON CONFLICT (purpose, state, rule) DO UPDATE SET responses = responses + 1;
END;

-- Addresses that get no automatic mail any more, because mail of ours to them came back.
CREATE TABLE muted (
  address  TEXT PRIMARY KEY COLLATE NOCASE,
  response INTEGER NOT NULL,            -- what came back; it and the bounce may be gone by now
  entry    INTEGER NOT NULL,            -- the bounce
  reason   TEXT NOT NULL,
  muted_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO transitions (subject, before, after, cause) VALUES
  ('responses', '', 'ready', 'to be sent'),
  ('responses', '', 'suppressed', 'a rule or a budget forbids it'),
  ('responses', 'ready', 'sending', 'composed and begun, committed before the first octet is sent'),
  ('responses', 'ready', 'failed', 'could not be composed, or too late'),
  ('responses', 'sending', 'sent', 'the server took it'),
  ('responses', 'sending', 'deferred', 'the server did not take it yet'),
  ('responses', 'sending', 'failed', 'the server said no'),
  ('responses', 'sending', 'unknown', 'nobody can tell whether the server took it'),
  ('responses', 'deferred', 'sending', 'begun again'),
  ('responses', 'deferred', 'failed', 'too late'),
  ('responses', 'unknown', 'sending', 'begun again under the same Message-ID; never an automatic reply');

CREATE TRIGGER responses_begin BEFORE INSERT ON responses
WHEN NOT EXISTS (SELECT 1 FROM transitions WHERE subject = 'responses' AND before = '' AND after = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition of a response'); END;
CREATE TRIGGER responses_change BEFORE UPDATE OF state ON responses
WHEN OLD.state <> NEW.state AND (
  NOT EXISTS (SELECT 1 FROM transitions WHERE subject = 'responses' AND before = OLD.state AND after = NEW.state)
  OR (OLD.state = 'unknown' AND OLD.purpose = 'automatic'))
BEGIN SELECT RAISE(ABORT, 'illegal transition of a response'); END;
