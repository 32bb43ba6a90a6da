BEGIN;
CREATE TABLE fences (
  name   TEXT PRIMARY KEY,
  epoch  INTEGER NOT NULL,             -- raised by every opener; a writer whose epoch is not this one cannot commit
  probes INTEGER NOT NULL DEFAULT 0    -- raised by `probe`, which proves that we can still write
) STRICT, WITHOUT ROWID;
INSERT INTO fences VALUES('ledger',1,0);
CREATE TABLE accounts (
  id     TEXT PRIMARY KEY,
  paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1))
, started_at REAL) STRICT, WITHOUT ROWID;
INSERT INTO accounts VALUES('sales',1,NULL);
INSERT INTO accounts VALUES('support',0,1700000000.0);
CREATE TABLE secrets (
  name       TEXT PRIMARY KEY,
  sealed     BLOB NOT NULL,            -- encrypted by the caller; never clear
  updated_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO secrets VALUES('oauth/entra',X'7365616C6564206F6374657473',1700000000.0);
CREATE TABLE sync_states (
  account    TEXT NOT NULL,
  folder     TEXT NOT NULL,
  sync_state TEXT,                                                          -- null: the protocol has none
  generation INTEGER NOT NULL DEFAULT 0,                                    -- how often the server gave its ids anew
  resetting  INTEGER NOT NULL DEFAULT 0 CHECK (resetting IN (0, 1)),        -- a reset's pages are not all here yet
  PRIMARY KEY (account, folder)
) STRICT, WITHOUT ROWID;
INSERT INTO sync_states VALUES('support','INBOX','waiting+',0,0);
CREATE TABLE baselines (
  account     TEXT NOT NULL,
  folder      TEXT NOT NULL,
  sync_state  TEXT,
  received_at REAL NOT NULL,
  PRIMARY KEY (account, folder)
) STRICT, WITHOUT ROWID;
INSERT INTO baselines VALUES('support','INBOX','1:1',1699999990.0);
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
INSERT INTO raw VALUES(1,X'A4C3ED04A95A3DA14A9D235C83D868BED7C0F45CF7F3FAA751EE8F50598D2211',X'646F6E65');
INSERT INTO raw VALUES(2,X'458A4770DF2B51B57769FC806CAB05BDAF02ACCE2EDD42B90B6DD55DEE1EA038',X'647565');
INSERT INTO raw VALUES(3,X'28A3A5E81D1E89F0EFC70B63BF717B921373FC7FAC70BC1B7E4D466799C0C6B0',X'64656164');
INSERT INTO raw VALUES(4,X'C20DEA4D876B5B8FB0A1814B43017030CEA6D4AC30B2D9AE71B404D2FABA49B5',X'68656C64');
INSERT INTO raw VALUES(5,X'80CFA3E7F28DDE4DF64436B652230AFF28D7779116D1369C21EF2BBF37261D71',X'77616974696E67');
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
  accepted_at  REAL NOT NULL, copy_of INTEGER REFERENCES entries (id) ON DELETE SET NULL, released TEXT NOT NULL DEFAULT '', gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  UNIQUE (account, folder, unique_id),
  CHECK ((extent = 'none') = (raw IS NULL)),
  CHECK (extent = 'whole' OR (owed = 0 AND state IN ('ignored', 'quarantined'))),     -- store before telling
  CHECK ((reason = '') = (state IN ('accepted', 'filed', 'done'))),
  CHECK (duplicate_of IS NULL OR state IN ('ignored', 'accepted'))
) STRICT;
INSERT INTO entries VALUES(1,'support','INBOX','done',NULL,4,NULL,0,'whole',1,'done','',NULL,1,0,1,0,1700000000.0,NULL,'',0);
INSERT INTO entries VALUES(2,'support','INBOX','due',NULL,3,NULL,0,'whole',2,'filed','',NULL,1,0,1,0,1700000000.0,NULL,'',0);
INSERT INTO entries VALUES(3,'support','INBOX','dead',NULL,4,NULL,0,'whole',3,'dead','hook_failed',NULL,1,0,1,0,1700000000.0,NULL,'',0);
INSERT INTO entries VALUES(4,'support','INBOX','held',NULL,4,NULL,0,'whole',4,'quarantined','parse_crash',NULL,1,0,1,0,1700000000.0,NULL,'',0);
INSERT INTO entries VALUES(5,'support','INBOX','waiting',NULL,7,NULL,0,'whole',5,'accepted','',NULL,1,0,1,0,1700000000.0,NULL,'',0);
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
, closed_at REAL, topic TEXT, restored INTEGER NOT NULL DEFAULT 0 CHECK (restored IN (0, 1))) STRICT;
INSERT INTO cases VALUES(1,'SEPVI2HQ2UMDU','support','About done','customer@example.com','open',1,1,1700000000.0,NULL,'0eb2bd276d9c7809',0);
INSERT INTO cases VALUES(2,'BH4AIQF7TWTWK','support','About due','customer@example.com','open',2,1,1700000000.0,NULL,'77543dafe19e28a3',0);
INSERT INTO cases VALUES(3,'VECD2G7W7AHDS','support','About dead','customer@example.com','open',3,1,1700000000.0,NULL,'62c3dfda551a3d52',0);
CREATE TABLE messages (
  entry      INTEGER PRIMARY KEY REFERENCES entries (id),
  case_id    TEXT REFERENCES cases (id),       -- null: ended before a case
  message_id TEXT NOT NULL,
  kind       TEXT NOT NULL,
  subject    TEXT NOT NULL,
  sender     TEXT NOT NULL,
  body       TEXT NOT NULL                     -- the parsed message as JSON, schema 1
, standing TEXT NOT NULL DEFAULT '' CHECK (standing IN ('', 'unverified', 'note'))) STRICT;
INSERT INTO messages VALUES(1,'SEPVI2HQ2UMDU','done@example.com','message','About done','customer@example.com','{"schema":1,"message_id":"done@example.com","in_reply_to":[],"references":[],"subject":"About done","date":null,"from":[{"name":"A Customer","address":"customer@example.com"}],"sender":[],"reply_to":[],"to":[],"cc":[],"return_path":null,"delivered_to":[],"text":"","html":null,"reply":{"text":null,"quoted":"","signature":""},"attachments":[],"kind":"message","automatic":{"is_machine":false,"suppress_reply":false,"rules":[]},"bounce":null,"authentication":{"verdict":"unknown","trusted":""},"defects":[]}','');
INSERT INTO messages VALUES(2,'BH4AIQF7TWTWK','due@example.com','message','About due','customer@example.com','{"schema":1,"message_id":"due@example.com","in_reply_to":[],"references":[],"subject":"About due","date":null,"from":[{"name":"A Customer","address":"customer@example.com"}],"sender":[],"reply_to":[],"to":[],"cc":[],"return_path":null,"delivered_to":[],"text":"","html":null,"reply":{"text":null,"quoted":"","signature":""},"attachments":[],"kind":"message","automatic":{"is_machine":false,"suppress_reply":false,"rules":[]},"bounce":null,"authentication":{"verdict":"unknown","trusted":""},"defects":[]}','');
INSERT INTO messages VALUES(3,'VECD2G7W7AHDS','dead@example.com','message','About dead','customer@example.com','{"schema":1,"message_id":"dead@example.com","in_reply_to":[],"references":[],"subject":"About dead","date":null,"from":[{"name":"A Customer","address":"customer@example.com"}],"sender":[],"reply_to":[],"to":[],"cc":[],"return_path":null,"delivered_to":[],"text":"","html":null,"reply":{"text":null,"quoted":"","signature":""},"attachments":[],"kind":"message","automatic":{"is_machine":false,"suppress_reply":false,"rules":[]},"bounce":null,"authentication":{"verdict":"unknown","trusted":""},"defects":[]}','');
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
  name    TEXT NOT NULL, role TEXT NOT NULL DEFAULT 'sender' CHECK (role IN ('requester', 'sender', 'reply_to')),
  PRIMARY KEY (case_id, address)
) STRICT, WITHOUT ROWID;
INSERT INTO participants VALUES('BH4AIQF7TWTWK','customer@example.com','A Customer','requester');
INSERT INTO participants VALUES('SEPVI2HQ2UMDU','customer@example.com','A Customer','requester');
INSERT INTO participants VALUES('VECD2G7W7AHDS','customer@example.com','A Customer','requester');
CREATE TABLE case_references (
  case_id   TEXT NOT NULL REFERENCES cases (id),
  hook      TEXT NOT NULL,
  reference TEXT NOT NULL,
  PRIMARY KEY (case_id, hook)
) STRICT, WITHOUT ROWID;
INSERT INTO case_references VALUES('SEPVI2HQ2UMDU','python:hook','T-1');
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
INSERT INTO deliveries VALUES(1,1,'SEPVI2HQ2UMDU','support','python:hook','d246900a22550962418639ba652dcb7a0935789073ba761128b27c4497fc7683','done',NULL,1,'','{"outcome":"filed","reference":"T-1","note":"seen"}');
INSERT INTO deliveries VALUES(2,2,'BH4AIQF7TWTWK','support','python:hook','859334cd855c73a4fd20d281dacafc58deb0eacf2d678d6178c9ab91d0d213eb','due',1700000000.0,0,'','{}');
INSERT INTO deliveries VALUES(3,3,'VECD2G7W7AHDS','support','python:hook','117cad3746df99ded4b4fdeba63ac75bc8887b544c1ac65228385cd90ac66fbe','dead',NULL,0,'boom','{}');
CREATE TABLE events (
  id      INTEGER PRIMARY KEY,
  entry   INTEGER REFERENCES entries (id),     -- null: of the account as a whole
  account TEXT NOT NULL,
  at      REAL NOT NULL,
  kind    TEXT NOT NULL,
  detail  TEXT NOT NULL                        -- JSON
) STRICT;
INSERT INTO events VALUES(1,NULL,'support',1700000000.0,'account.baseline','{"folder":"INBOX","sync_state":"1:1","received_at":1699999990.0,"present":0}');
INSERT INTO events VALUES(2,1,'support',1700000000.0,'message.accepted','{"folder":"INBOX","unique_id":"done","sync_state":"dead"}');
INSERT INTO events VALUES(3,2,'support',1700000000.0,'message.accepted','{"folder":"INBOX","unique_id":"due","sync_state":"dead"}');
INSERT INTO events VALUES(4,3,'support',1700000000.0,'message.accepted','{"folder":"INBOX","unique_id":"dead","sync_state":"dead"}');
INSERT INTO events VALUES(5,1,'support',1700000000.0,'message.filed','{"case":"SEPVI2HQ2UMDU","rule":"new"}');
INSERT INTO events VALUES(6,2,'support',1700000000.0,'message.filed','{"case":"BH4AIQF7TWTWK","rule":"new"}');
INSERT INTO events VALUES(7,3,'support',1700000000.0,'message.filed','{"case":"VECD2G7W7AHDS","rule":"new"}');
INSERT INTO events VALUES(8,1,'support',1700000000.0,'delivery.done','{"hook":"python:hook","attempt":1,"outcome":"filed","reference":"T-1","note":"seen"}');
INSERT INTO events VALUES(9,1,'support',1700000000.0,'message.done','{}');
INSERT INTO events VALUES(10,3,'support',1700000000.0,'delivery.dead','{"hook":"python:hook","attempt":0,"reason":"boom"}');
INSERT INTO events VALUES(11,3,'support',1700000000.0,'message.dead','{"reason":"hook_failed"}');
INSERT INTO events VALUES(12,4,'support',1700000000.0,'message.accepted','{"folder":"INBOX","unique_id":"held","sync_state":"held+"}');
INSERT INTO events VALUES(13,4,'support',1700000000.0,'message.quarantined','{"reason":"parse_crash"}');
INSERT INTO events VALUES(14,5,'support',1700000000.0,'message.accepted','{"folder":"INBOX","unique_id":"waiting","sync_state":"waiting+"}');
INSERT INTO events VALUES(15,NULL,'sales',1700000000.0,'account.paused','{}');
CREATE TABLE tallies (
  account TEXT NOT NULL,
  state   TEXT NOT NULL,
  reason  TEXT NOT NULL,
  entries INTEGER NOT NULL,
  PRIMARY KEY (account, state, reason)
) STRICT, WITHOUT ROWID;
INSERT INTO tallies VALUES('support','accepted','',1);
INSERT INTO tallies VALUES('support','dead','hook_failed',1);
INSERT INTO tallies VALUES('support','done','',1);
INSERT INTO tallies VALUES('support','filed','',1);
INSERT INTO tallies VALUES('support','quarantined','parse_crash',1);
CREATE TABLE transitions (
  subject TEXT NOT NULL,
  before  TEXT NOT NULL,               -- '': a new row
  after   TEXT NOT NULL,
  cause   TEXT NOT NULL,
  PRIMARY KEY (subject, before, after)
) STRICT, WITHOUT ROWID;
INSERT INTO transitions VALUES('deliveries','','due','filed');
INSERT INTO transitions VALUES('deliveries','dead','due','retry');
INSERT INTO transitions VALUES('deliveries','due','dead','refused, failed too often, or its hook was removed');
INSERT INTO transitions VALUES('deliveries','due','done','the hook filed it, or had nothing to add');
INSERT INTO transitions VALUES('deliveries','due','ignored','the hook ignored it');
INSERT INTO transitions VALUES('entries','','accepted','fetched and stored whole');
INSERT INTO transitions VALUES('entries','','ignored','before the baseline, a duplicate, or gone before we could fetch it');
INSERT INTO transitions VALUES('entries','','quarantined','too large, or refused by the server');
INSERT INTO transitions VALUES('entries','accepted','dead','could never be parsed or filed');
INSERT INTO transitions VALUES('entries','accepted','filed','parsed, its case decided, its deliveries written');
INSERT INTO transitions VALUES('entries','accepted','ignored','by a rule, or found a duplicate');
INSERT INTO transitions VALUES('entries','accepted','quarantined','could not be parsed safely, or held by a rule');
INSERT INTO transitions VALUES('entries','dead','accepted','retry of what was never filed');
INSERT INTO transitions VALUES('entries','dead','filed','retry');
INSERT INTO transitions VALUES('entries','filed','dead','every delivery finished, one of them dead');
INSERT INTO transitions VALUES('entries','filed','done','every delivery done or ignored');
INSERT INTO transitions VALUES('entries','ignored','accepted','only vanished: the server listed it again and handed it over');
INSERT INTO transitions VALUES('entries','ignored','quarantined','only vanished: the server listed it again and it is too large or refused');
INSERT INTO transitions VALUES('entries','quarantined','accepted','release');
INSERT INTO transitions VALUES('responses','','ready','to be sent');
INSERT INTO transitions VALUES('responses','','suppressed','a rule or a budget forbids it');
INSERT INTO transitions VALUES('responses','deferred','failed','too late');
INSERT INTO transitions VALUES('responses','deferred','sending','begun again');
INSERT INTO transitions VALUES('responses','ready','failed','could not be composed, or too late');
INSERT INTO transitions VALUES('responses','ready','sending','composed and begun, committed before the first octet is sent');
INSERT INTO transitions VALUES('responses','sending','deferred','the server did not take it yet');
INSERT INTO transitions VALUES('responses','sending','failed','the server said no');
INSERT INTO transitions VALUES('responses','sending','sent','the server took it');
INSERT INTO transitions VALUES('responses','sending','unknown','nobody can tell whether the server took it');
INSERT INTO transitions VALUES('responses','unknown','sending','begun again under the same Message-ID; never an automatic reply');
CREATE TABLE case_links (
  id      INTEGER PRIMARY KEY,
  case_id TEXT NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
  other   TEXT NOT NULL REFERENCES cases (id) ON DELETE CASCADE,         -- the earlier one
  kind    TEXT NOT NULL CHECK (kind IN ('follow_up', 'related')),
  why     TEXT NOT NULL,
  UNIQUE (case_id, other)
) STRICT;
CREATE TABLE arrivals (
  id      INTEGER PRIMARY KEY,
  account TEXT NOT NULL,
  sender  TEXT NOT NULL,
  at      REAL NOT NULL,
  until   REAL NOT NULL                -- it counts no longer from then on, and may be removed
) STRICT;
CREATE TABLE floods (
  account TEXT NOT NULL,
  sender  TEXT NOT NULL,
  since   REAL NOT NULL,
  due_at  REAL NOT NULL,
  PRIMARY KEY (account, sender)
) STRICT, WITHOUT ROWID;
CREATE TABLE held (
  entry   INTEGER PRIMARY KEY REFERENCES entries (id),
  account TEXT NOT NULL,
  sender  TEXT NOT NULL,
  waiting INTEGER NOT NULL DEFAULT 1 CHECK (waiting IN (0, 1))     -- 0: released, and on its way to a case
) STRICT;
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
CREATE TABLE response_hours (
  hour      INTEGER PRIMARY KEY,       -- since 1970
  responses INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE response_tallies (
  purpose   TEXT NOT NULL,
  state     TEXT NOT NULL,
  rule      TEXT NOT NULL,             -- '' unless suppressed
  responses INTEGER NOT NULL,
  PRIMARY KEY (purpose, state, rule)
) STRICT, WITHOUT ROWID;
CREATE TABLE muted (
  address  TEXT PRIMARY KEY COLLATE NOCASE,
  response INTEGER NOT NULL,            -- what came back; it and the bounce may be gone by now
  entry    INTEGER NOT NULL,            -- the bounce
  reason   TEXT NOT NULL,
  muted_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE api_tokens (
  id         TEXT PRIMARY KEY,         -- the part of the token that is no secret; says which digest to compare with
  name       TEXT NOT NULL,
  scope      TEXT NOT NULL CHECK (scope IN ('read', 'full')),
  digest     BLOB NOT NULL CHECK (length(digest) = 32),      -- SHA-256 of the whole token; the token itself is nowhere
  created_at REAL NOT NULL,
  revoked_at REAL                      -- null: valid
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
  id      INTEGER PRIMARY KEY,
  at      REAL NOT NULL,
  who     TEXT NOT NULL,               -- the token's name, or the way in: control socket, command line
  action  TEXT NOT NULL,               -- the verb
  target  TEXT NOT NULL,               -- what it is about: an account, a message's number, a token's name …
  outcome TEXT NOT NULL CHECK (outcome IN ('ordered', 'refused')),
  detail  TEXT NOT NULL                -- JSON
) STRICT;
INSERT INTO audit VALUES(1,1700000000.0,'admin','pause','sales','ordered','{}');
CREATE TABLE text_state (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  event INTEGER NOT NULL               -- the last event whose message's words were read
) STRICT;
INSERT INTO text_state VALUES(1,15);
CREATE TABLE text_due (
  list TEXT NOT NULL CHECK (list IN ('messages', 'cases')),
  id   INTEGER NOT NULL,               -- messages.entry or cases.number
  PRIMARY KEY (list, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE kept_settings (
  kind       TEXT NOT NULL CHECK (kind IN ('account', 'oauth')),
  id         TEXT NOT NULL COLLATE NOCASE,
  version    INTEGER NOT NULL CHECK (version > 0),   -- raised by each change; an edit of an older one is refused
  settings   TEXT NOT NULL,            -- the keys of [[accounts]] or [oauth.NAME] as JSON, without secrets
  secrets    TEXT NOT NULL,            -- JSON: the secrets that are kept, each with the version it was given in
  changed_at REAL NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE identities (
  account  TEXT PRIMARY KEY,
  mailbox  TEXT NOT NULL,              -- protocol, host and user
  moves    INTEGER NOT NULL DEFAULT 0  -- how often it became another one
) STRICT, WITHOUT ROWID;
CREATE TABLE message_ids (
  account    TEXT NOT NULL,
  message_id TEXT NOT NULL,
  entry      INTEGER NOT NULL,
  case_id    TEXT NOT NULL,
  PRIMARY KEY (account, message_id, entry)
) STRICT, WITHOUT ROWID;
INSERT INTO message_ids VALUES('support','dead@example.com',3,'VECD2G7W7AHDS');
INSERT INTO message_ids VALUES('support','done@example.com',1,'SEPVI2HQ2UMDU');
INSERT INTO message_ids VALUES('support','due@example.com',2,'BH4AIQF7TWTWK');
CREATE TABLE removals (
  entry INTEGER PRIMARY KEY            -- being removed; empty between transactions
) STRICT;
CREATE TABLE notices (
  id      INTEGER PRIMARY KEY,
  account TEXT NOT NULL,
  person  TEXT NOT NULL COLLATE NOCASE,
  entry   INTEGER NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
  case_id TEXT NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
  is_new  INTEGER NOT NULL CHECK (is_new IN (0, 1)),       -- it opened the case
  at      REAL NOT NULL
) STRICT;
CREATE TABLE told (
  account TEXT NOT NULL,
  person  TEXT NOT NULL COLLATE NOCASE,
  at      REAL NOT NULL,
  PRIMARY KEY (account, person)
) STRICT, WITHOUT ROWID;
CREATE TABLE alerts (
  kind       TEXT NOT NULL,
  about      TEXT NOT NULL,            -- an account or an authentication profile
  said       TEXT NOT NULL,
  raised_at  REAL NOT NULL,
  cleared_at REAL,                     -- null: it still is
  hooked     TEXT NOT NULL DEFAULT '' CHECK (hooked IN ('', 'raised', 'cleared')),
  PRIMARY KEY (kind, about)
) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE messages_text USING fts5 (
  subject, sender, tokenize = 'unicode61 remove_diacritics 2', prefix = '3', columnsize = 0);
CREATE VIRTUAL TABLE cases_text USING fts5 (
  subject, requester, tokenize = 'unicode61 remove_diacritics 2', prefix = '3', columnsize = 0);
DELETE FROM messages_text_data;
INSERT INTO messages_text_data VALUES(1,X'030609');
INSERT INTO messages_text_data VALUES(10,X'000000000101010001010101');
INSERT INTO messages_text_data VALUES(137438953473,X'000000D0063061626F75740102020102020102020103636F6D01060101040106010104010601010402077573746F6D657201060101020106010102010601010201046465616403020302036F6E650102030202756502020301076578616D706C6501060101030106010103010601010300043161626F0102020102020102020103636F6D01060101040106010104010601010402027573010601010201060101020106010102010364656103020302026F6E01020302027565020203010365786101060101030106010103010601010304101418090807180F1413080707');
DELETE FROM messages_text_idx;
INSERT INTO messages_text_idx VALUES(1,X'',2);
DELETE FROM messages_text_content;
INSERT INTO messages_text_content VALUES(1,'About done','customer@example.com');
INSERT INTO messages_text_content VALUES(2,'About due','customer@example.com');
INSERT INTO messages_text_content VALUES(3,'About dead','customer@example.com');
DELETE FROM messages_text_config;
INSERT INTO messages_text_config VALUES('version',4);
DELETE FROM cases_text_data;
INSERT INTO cases_text_data VALUES(1,X'030609');
INSERT INTO cases_text_data VALUES(10,X'000000000101010001010101');
INSERT INTO cases_text_data VALUES(137438953473,X'000000D0063061626F75740102020102020102020103636F6D01060101040106010104010601010402077573746F6D657201060101020106010102010601010201046465616403020302036F6E650102030202756502020301076578616D706C6501060101030106010103010601010300043161626F0102020102020102020103636F6D01060101040106010104010601010402027573010601010201060101020106010102010364656103020302026F6E01020302027565020203010365786101060101030106010103010601010304101418090807180F1413080707');
DELETE FROM cases_text_idx;
INSERT INTO cases_text_idx VALUES(1,X'',2);
DELETE FROM cases_text_content;
INSERT INTO cases_text_content VALUES(1,'About done','customer@example.com');
INSERT INTO cases_text_content VALUES(2,'About due','customer@example.com');
INSERT INTO cases_text_content VALUES(3,'About dead','customer@example.com');
DELETE FROM cases_text_config;
INSERT INTO cases_text_config VALUES('version',4);
CREATE UNIQUE INDEX entries_by_content ON entries (raw, account) WHERE extent = 'whole' AND duplicate_of IS NULL;
CREATE INDEX entries_by_original ON entries (duplicate_of, generation) WHERE duplicate_of IS NOT NULL;
CREATE INDEX entries_by_provider_id ON entries (account, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX entries_due ON entries (epoch, id) WHERE state = 'accepted';
CREATE INDEX entries_owed ON entries (account, id) WHERE owed = 1;
CREATE INDEX entries_released ON entries (account, id) WHERE refetch = 1 AND state = 'quarantined';
CREATE INDEX entries_by_state ON entries (state, id);
CREATE INDEX entries_by_account ON entries (account, state, id);
CREATE INDEX cases_by_account ON cases (account, number);
CREATE INDEX messages_by_case ON messages (case_id, entry) WHERE case_id IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (hook, due_at, id) WHERE state = 'due' AND due_at IS NOT NULL;
CREATE UNIQUE INDEX deliveries_head ON deliveries (case_id, hook) WHERE state = 'due' AND due_at IS NOT NULL;
CREATE INDEX events_by_entry ON events (entry, id) WHERE entry IS NOT NULL;
CREATE INDEX events_by_account ON events (account, id) WHERE entry IS NULL;
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
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
CREATE INDEX entries_by_copied ON entries (copy_of) WHERE copy_of IS NOT NULL;
CREATE INDEX cases_by_topic ON cases (account, topic, number) WHERE topic IS NOT NULL;
CREATE INDEX case_links_by_other ON case_links (other, kind, id);
CREATE INDEX arrivals_by_sender ON arrivals (account, sender, at);
CREATE INDEX floods_due ON floods (due_at);
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
CREATE UNIQUE INDEX responses_automatic ON responses (entry) WHERE purpose = 'automatic';
CREATE INDEX responses_due ON responses (account, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX responses_by_state ON responses (state, id);
CREATE INDEX responses_by_account ON responses (account, id);
CREATE INDEX responses_by_account_state ON responses (account, state, id);
CREATE INDEX responses_by_entry ON responses (entry, id) WHERE entry IS NOT NULL;
CREATE INDEX responses_by_case ON responses (case_id, id) WHERE case_id IS NOT NULL;
CREATE INDEX responses_in_case ON responses (case_id) WHERE state <> 'suppressed' AND purpose = 'automatic';
CREATE INDEX responses_to_sender ON responses (account, recipient, purpose, created_at) WHERE state <> 'suppressed';
CREATE INDEX responses_of_account ON responses (account, created_at)
  WHERE state <> 'suppressed' AND purpose IN ('automatic', 'hook');
CREATE INDEX responses_to_domain ON responses (domain, created_at)
  WHERE state <> 'suppressed' AND purpose IN ('automatic', 'hook') AND verified = 0;
CREATE TRIGGER count_responses AFTER INSERT ON responses
WHEN NEW.state <> 'suppressed' AND NEW.purpose IN ('automatic', 'hook')
BEGIN
  INSERT INTO response_hours VALUES (CAST(NEW.created_at / 3600 AS INTEGER), 1)
  ON CONFLICT (hour) DO UPDATE SET responses = responses + 1;
END;
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
CREATE TRIGGER responses_begin BEFORE INSERT ON responses
WHEN NOT EXISTS (SELECT 1 FROM transitions WHERE subject = 'responses' AND before = '' AND after = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition of a response'); END;
CREATE TRIGGER responses_change BEFORE UPDATE OF state ON responses
WHEN OLD.state <> NEW.state AND (
  NOT EXISTS (SELECT 1 FROM transitions WHERE subject = 'responses' AND before = OLD.state AND after = NEW.state)
  OR (OLD.state = 'unknown' AND OLD.purpose = 'automatic'))
BEGIN SELECT RAISE(ABORT, 'illegal transition of a response'); END;
CREATE UNIQUE INDEX api_tokens_by_name ON api_tokens (name) WHERE revoked_at IS NULL;
CREATE INDEX audit_by_who ON audit (who, id);
CREATE INDEX audit_by_action ON audit (action, id);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_never_removed BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER messages_text_gone AFTER DELETE ON messages
BEGIN INSERT OR IGNORE INTO text_due VALUES ('messages', OLD.entry); END;
CREATE TRIGGER cases_text_gone AFTER DELETE ON cases
BEGIN INSERT OR IGNORE INTO text_due VALUES ('cases', OLD.number); END;
CREATE TRIGGER cases_text_changed AFTER UPDATE OF subject, requester ON cases
WHEN OLD.subject <> NEW.subject OR OLD.requester <> NEW.requester
BEGIN INSERT OR IGNORE INTO text_due VALUES ('cases', NEW.number); END;
CREATE INDEX messages_by_kind ON messages (kind, entry);
CREATE INDEX entries_by_time ON entries (coalesce(received_at, accepted_at), id);
CREATE INDEX cases_by_status ON cases (status, number);
CREATE INDEX raw_kept ON raw (id) WHERE octets IS NOT NULL;
CREATE INDEX cases_by_age ON cases (updated_at, number);
CREATE INDEX entries_gone ON entries (id) WHERE gone = 1;
CREATE INDEX entries_by_raw ON entries (raw) WHERE raw IS NOT NULL;
CREATE INDEX cases_by_opening ON cases (opened_by);
CREATE INDEX muted_by_response ON muted (response);
CREATE INDEX muted_by_entry ON muted (entry);
CREATE INDEX deliveries_line ON deliveries (case_id, hook, state, id);
CREATE TRIGGER tally_removed_entries AFTER DELETE ON entries
BEGIN
  UPDATE tallies SET entries = entries - 1 WHERE account = OLD.account AND state = OLD.state AND reason = OLD.reason;
END;
CREATE TRIGGER events_go_only_with_their_entry BEFORE DELETE ON events
WHEN OLD.entry IS NULL OR NOT EXISTS (SELECT 1 FROM removals WHERE entry = OLD.entry)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE INDEX notices_by_person ON notices (account, person, id);
CREATE INDEX notices_by_entry ON notices (entry);
CREATE INDEX notices_by_case ON notices (case_id);
COMMIT;
