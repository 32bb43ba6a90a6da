-- The ledger, version 8: notifications. Whom to tell of which case, and what is wrong at the moment.

-- A message in a case that a person is to be told of; gone once the mail about it is in `responses`.
CREATE TABLE notices (
  id      INTEGER PRIMARY KEY,
  account TEXT NOT NULL,
  person  TEXT NOT NULL COLLATE NOCASE,
  entry   INTEGER NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
  case_id TEXT NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
  is_new  INTEGER NOT NULL CHECK (is_new IN (0, 1)),       -- it opened the case
  at      REAL NOT NULL
) STRICT;
CREATE INDEX notices_by_person ON notices (account, person, id);
CREATE INDEX notices_by_entry ON notices (entry);
CREATE INDEX notices_by_case ON notices (case_id);

-- When a person was last told anything: what follows soon is told together.
CREATE TABLE told (
  account TEXT NOT NULL,
  person  TEXT NOT NULL COLLATE NOCASE,
  at      REAL NOT NULL,
  PRIMARY KEY (account, person)
) STRICT, WITHOUT ROWID;

-- What is wrong, and what the alert webhook has been told of it; gone once all was told that it is well again.
CREATE TABLE alerts (
  kind       TEXT NOT NULL,
  about      TEXT NOT NULL,            -- an account or an authentication profile
  said       TEXT NOT NULL,
  raised_at  REAL NOT NULL,
  cleared_at REAL,                     -- null: it still is
  hooked     TEXT NOT NULL DEFAULT '' CHECK (hooked IN ('', 'raised', 'cleared')),
  PRIMARY KEY (kind, about)
) STRICT, WITHOUT ROWID;
