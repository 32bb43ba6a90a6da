-- The case book: what a decision asks, and what it writes.

-- name: filed
SELECT wanted.value, coalesce((
  SELECT m.case_id FROM message_ids AS m WHERE m.account = :account AND m.message_id = wanted.value ORDER BY m.entry LIMIT 1
), (
  SELECT r.case_id FROM responses AS r WHERE r.message_id = wanted.value AND r.account = :account
)) FROM json_each(:message_ids) AS wanted;

-- name: sent
SELECT wanted.value, (
  SELECT r.case_id FROM responses AS r WHERE r.message_id = wanted.value AND r.account = :account
) FROM json_each(:message_ids) AS wanted;

-- name: standing
SELECT CASE c.status WHEN 'closed' THEN coalesce(c.closed_at, c.updated_at) END,
  EXISTS (SELECT 1 FROM participants AS p WHERE p.case_id = c.id AND p.address = :address)
  OR EXISTS (
    SELECT 1 FROM responses AS r WHERE r.case_id = c.id AND r.recipient = :address
    AND r.purpose IN ('automatic', 'hook') AND r.state NOT IN ('suppressed', 'failed')),
  (SELECT l.case_id FROM case_links AS l WHERE l.other = c.id AND l.kind = 'follow_up' ORDER BY l.id DESC LIMIT 1)
FROM cases AS c WHERE c.id = :case_id AND c.account = :account;

-- name: similar
SELECT found.id FROM (
  SELECT id, updated_at FROM cases WHERE account = :account AND topic = :topic ORDER BY number DESC LIMIT :looked_at
) AS found WHERE found.updated_at >= :since LIMIT :most;

-- name: known_topics
SELECT wanted.value FROM json_each(:topics) AS wanted
WHERE EXISTS (SELECT 1 FROM cases AS c WHERE c.account = :account AND c.topic = wanted.value);

-- name: insert_case
INSERT INTO cases (id, account, subject, requester, opened_by, topic, restored, messages, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)
ON CONFLICT (id) DO NOTHING;

-- name: adopt_case
UPDATE cases SET subject = :subject, requester = :requester, opened_by = :entry, topic = :topic, restored = 0,
                 messages = messages + 1, updated_at = :now
WHERE id = :case_id AND account = :account AND restored = 1;

-- name: join_case
UPDATE cases SET messages = messages + 1, updated_at = :now,
                 status = CASE WHEN :reopen THEN 'open' ELSE status END, closed_at = CASE WHEN :reopen THEN NULL ELSE closed_at END
WHERE id = :case_id;

-- name: set_status
UPDATE cases SET status = :status, closed_at = :closed_at, updated_at = :now WHERE id = :case_id;

-- name: status
SELECT account, status, opened_by FROM cases WHERE id = ?;

-- name: insert_link
INSERT INTO case_links (case_id, other, kind, why) SELECT :case_id, id, :kind, :why FROM cases WHERE id = :other AND id <> :case_id
ON CONFLICT DO NOTHING;

-- name: filed_as
SELECT m.entry, m.subject FROM message_ids AS i CROSS JOIN messages AS m ON m.entry = i.entry
WHERE i.account = :account AND i.message_id = :message_id ORDER BY i.entry LIMIT :most;

-- name: known_ids
SELECT wanted.value FROM json_each(:message_ids) AS wanted
WHERE EXISTS (SELECT 1 FROM message_ids AS m WHERE m.account = :account AND m.message_id = wanted.value);

-- name: parsed_body
SELECT body FROM messages WHERE entry = ?;

-- name: octets
SELECT r.octets FROM entries AS e JOIN raw AS r ON r.id = e.raw WHERE e.id = ?;

-- name: twin
SELECT e.id, m.message_id FROM entries AS e JOIN messages AS m ON m.entry = e.id
WHERE e.account = :account AND e.provider_id = :provider_id AND e.id <> :entry AND m.case_id IS NOT NULL LIMIT 1;

-- name: ignore_copy
UPDATE entries SET state = 'ignored', reason = 'duplicate', copy_of = ? WHERE id = ?;
