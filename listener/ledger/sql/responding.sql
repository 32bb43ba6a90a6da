-- May this message be answered, and has it room in the budgets? Asked in the transaction that files or settles it.

-- name: circumstances
SELECT e.received_at, e.accepted_at, e.released, a.started_at FROM entries AS e LEFT JOIN accounts AS a ON a.id = e.account
WHERE e.id = ?;

-- name: started_at
SELECT started_at FROM accounts WHERE id = ?;

-- name: is_muted
SELECT EXISTS (SELECT 1 FROM muted WHERE address = ?);

-- name: ours
SELECT id, account, case_id, recipient FROM responses WHERE message_id = ?;

-- name: insert
INSERT INTO responses
  (key, purpose, account, entry, case_id, hook, recipient, domain, verified, subject, text, state, reason, due_at, created_at)
VALUES (:key, :purpose, :account, :entry, :case_id, :hook, :recipient, :domain, :verified, :subject, :text, :state, :reason,
  :due_at, :now)
ON CONFLICT DO NOTHING RETURNING id;

-- name: to_sender
SELECT count(*) FROM responses
WHERE account = :account AND recipient = :recipient AND purpose = :purpose AND created_at > :since AND state <> 'suppressed';

-- name: in_case
SELECT count(*) FROM responses WHERE case_id = :case_id AND state <> 'suppressed' AND purpose = 'automatic';

-- name: of_account
SELECT count(*) FILTER (WHERE created_at > :minute), count(*) FROM responses
WHERE account = :account AND created_at > :since AND state <> 'suppressed' AND purpose IN ('automatic', 'hook');

-- name: to_domain
SELECT count(*) FROM responses
WHERE domain = :domain AND created_at > :since AND state <> 'suppressed' AND purpose IN ('automatic', 'hook') AND verified = 0;

-- name: hours
SELECT coalesce(sum(responses) FILTER (WHERE hour > :day), 0), coalesce(sum(responses) FILTER (WHERE hour <= :day), 0)
FROM response_hours WHERE hour > :week;

-- name: opening
SELECT m.body FROM cases AS c JOIN messages AS m ON m.entry = c.opened_by WHERE c.id = ?;

-- name: requester
SELECT requester FROM cases WHERE id = ?;

-- name: mute
INSERT INTO muted (address, response, entry, reason, muted_at) VALUES (:address, :response, :entry, :reason, :now)
ON CONFLICT (address) DO NOTHING;
