-- What the outbox asks and writes, and what people read of it.

-- name: waiting
SELECT account, min(due_at) FROM responses WHERE due_at IS NOT NULL GROUP BY account;

-- name: due
SELECT id FROM responses WHERE account = :account AND due_at IS NOT NULL AND due_at <= :now ORDER BY due_at, id LIMIT :most;

-- name: begun
SELECT id FROM responses WHERE state = 'sending' ORDER BY id;

-- name: response
SELECT r.id, r.key, r.purpose, r.account, r.entry, r.case_id, r.hook, r.recipient, r.verified, r.subject, r.text,
       r.message_id, r.octets, r.draft, r.state, r.attempts, r.repeated, r.created_at,
       c.subject, c.requester, c.status, m.body
FROM responses AS r
LEFT JOIN cases AS c ON c.id = r.case_id
LEFT JOIN messages AS m ON m.entry = r.entry
WHERE r.id = ?;

-- name: begin
UPDATE responses
SET message_id = coalesce(message_id, :message_id), octets = coalesce(octets, :octets), attempts = attempts + 1,
    repeated = CASE WHEN state = 'unknown' THEN 1 ELSE repeated END, reason = '', due_at = NULL, state = 'sending'
WHERE id = :id AND (state IN ('ready', 'deferred') OR (state = 'unknown' AND purpose <> 'automatic'))
RETURNING attempts;

-- name: keep_draft
UPDATE responses SET draft = :draft WHERE id = :id AND state = 'sending';

-- name: settle
UPDATE responses
SET state = :state, reason = :reason, due_at = :due_at, sent_at = CASE WHEN :state = 'sent' THEN :now END
WHERE id = :id AND state IN ('ready', 'sending', 'deferred')
RETURNING entry, account, recipient, purpose, attempts, repeated;

-- name: postpone
UPDATE responses SET due_at = :due_at, reason = :reason WHERE id = :id AND due_at IS NOT NULL;

-- name: newest
SELECT id FROM responses WHERE id < :before ORDER BY id DESC LIMIT :most;

-- name: newest_of_state
SELECT id FROM responses WHERE state = :state AND id < :before ORDER BY id DESC LIMIT :most;

-- name: newest_of_account
SELECT id FROM responses WHERE account = :account AND id < :before ORDER BY id DESC LIMIT :most;

-- name: newest_of_account_in_state
SELECT id FROM responses WHERE account = :account AND state = :state AND id < :before ORDER BY id DESC LIMIT :most;

-- name: row
SELECT id, purpose, account, entry, case_id, hook, recipient, subject, state, reason, attempts, repeated, message_id,
       created_at, due_at, sent_at
FROM responses WHERE id = ?;

-- name: of_entry
SELECT id FROM responses WHERE entry = ? ORDER BY id LIMIT 1000;

-- name: tallies
SELECT purpose, state, rule, responses FROM response_tallies WHERE responses > 0;

-- name: muted
SELECT address, response, entry, reason, muted_at FROM muted WHERE address > :after ORDER BY address LIMIT :most;

-- name: unmute
DELETE FROM muted WHERE address = ? RETURNING entry;
