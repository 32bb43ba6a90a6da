-- What the lists of messages and cases are filtered by. Each statement walks one index, newest first, and says of each row whether
-- the other filters keep it; the caller stops reading when it has enough, or has looked at enough.

-- name: messages_by_id
SELECT e.id, coalesce(e.received_at, e.accepted_at), CASE WHEN
  (:since IS NULL OR coalesce(e.received_at, e.accepted_at) >= :since)
  AND (:until IS NULL OR coalesce(e.received_at, e.accepted_at) < :until)
  AND (:kind IS NULL OR EXISTS (SELECT 1 FROM messages AS m INDEXED BY messages_by_kind WHERE m.kind = :kind AND m.entry = e.id))
  THEN 1 ELSE 0 END
FROM entries AS e WHERE e.id < :before ORDER BY e.id DESC LIMIT :examined;

-- name: messages_by_state
SELECT e.id, coalesce(e.received_at, e.accepted_at), CASE WHEN
  (:since IS NULL OR coalesce(e.received_at, e.accepted_at) >= :since)
  AND (:until IS NULL OR coalesce(e.received_at, e.accepted_at) < :until)
  AND (:kind IS NULL OR EXISTS (SELECT 1 FROM messages AS m INDEXED BY messages_by_kind WHERE m.kind = :kind AND m.entry = e.id))
  THEN 1 ELSE 0 END
FROM entries AS e INDEXED BY entries_by_state WHERE e.state = :state AND e.id < :before ORDER BY e.id DESC LIMIT :examined;

-- name: messages_by_account
SELECT e.id, coalesce(e.received_at, e.accepted_at), CASE WHEN
  (:since IS NULL OR coalesce(e.received_at, e.accepted_at) >= :since)
  AND (:until IS NULL OR coalesce(e.received_at, e.accepted_at) < :until)
  AND (:kind IS NULL OR EXISTS (SELECT 1 FROM messages AS m INDEXED BY messages_by_kind WHERE m.kind = :kind AND m.entry = e.id))
  THEN 1 ELSE 0 END
FROM entries AS e INDEXED BY entries_by_account
WHERE e.account = :account AND e.state = :state AND e.id < :before ORDER BY e.id DESC LIMIT :examined;

-- name: messages_by_kind
SELECT e.id, coalesce(e.received_at, e.accepted_at), CASE WHEN
  (:state IS NULL OR e.state = :state) AND (:account IS NULL OR e.account = :account)
  AND (:since IS NULL OR coalesce(e.received_at, e.accepted_at) >= :since)
  AND (:until IS NULL OR coalesce(e.received_at, e.accepted_at) < :until)
  THEN 1 ELSE 0 END
FROM messages AS m INDEXED BY messages_by_kind CROSS JOIN entries AS e ON e.id = m.entry
WHERE m.kind = :kind AND m.entry < :before ORDER BY m.entry DESC LIMIT :examined;

-- name: messages_by_time
SELECT e.id, coalesce(e.received_at, e.accepted_at), CASE WHEN
  (:state IS NULL OR e.state = :state) AND (:account IS NULL OR e.account = :account)
  AND (:kind IS NULL OR EXISTS (SELECT 1 FROM messages AS m INDEXED BY messages_by_kind WHERE m.kind = :kind AND m.entry = e.id))
  AND NOT (coalesce(e.received_at, e.accepted_at) = :at AND e.id >= :before)
  THEN 1 ELSE 0 END
FROM entries AS e INDEXED BY entries_by_time
WHERE coalesce(e.received_at, e.accepted_at) BETWEEN :since AND :at
ORDER BY coalesce(e.received_at, e.accepted_at) DESC, e.id DESC LIMIT :examined;

-- name: messages_by_text
SELECT e.id, coalesce(e.received_at, e.accepted_at), CASE WHEN
  (:state IS NULL OR e.state = :state) AND (:account IS NULL OR e.account = :account)
  AND (:since IS NULL OR coalesce(e.received_at, e.accepted_at) >= :since)
  AND (:until IS NULL OR coalesce(e.received_at, e.accepted_at) < :until)
  AND (:kind IS NULL OR EXISTS (SELECT 1 FROM messages AS m INDEXED BY messages_by_kind WHERE m.kind = :kind AND m.entry = e.id))
  THEN 1 ELSE 0 END
FROM messages_text AS t CROSS JOIN entries AS e ON e.id = t.rowid
WHERE t.messages_text MATCH :text AND t.rowid < :before ORDER BY t.rowid DESC LIMIT :examined;

-- name: cases_by_number
SELECT c.number, c.updated_at, 1 FROM cases AS c WHERE c.number < :before ORDER BY c.number DESC LIMIT :examined;

-- name: cases_by_account
SELECT c.number, c.updated_at, CASE WHEN (:status IS NULL OR c.status = :status) THEN 1 ELSE 0 END
FROM cases AS c INDEXED BY cases_by_account
WHERE c.account = :account AND c.number < :before ORDER BY c.number DESC LIMIT :examined;

-- name: cases_by_status
SELECT c.number, c.updated_at, 1 FROM cases AS c INDEXED BY cases_by_status
WHERE c.status = :status AND c.number < :before ORDER BY c.number DESC LIMIT :examined;

-- name: cases_by_text
SELECT c.number, c.updated_at, CASE WHEN
  (:status IS NULL OR c.status = :status) AND (:account IS NULL OR c.account = :account) THEN 1 ELSE 0 END
FROM cases_text AS t CROSS JOIN cases AS c ON c.number = t.rowid
WHERE t.cases_text MATCH :text AND t.rowid < :before ORDER BY t.rowid DESC LIMIT :examined;

-- name: case_of_number
SELECT id FROM cases WHERE number = ?;

-- name: number_of_case
SELECT number FROM cases WHERE id = ?;

-- name: oldest_unprocessed
SELECT wanted.value,
  (SELECT coalesce(e.received_at, e.accepted_at) FROM entries AS e INDEXED BY entries_by_account
   WHERE e.account = wanted.value AND e.state = 'accepted' ORDER BY e.id LIMIT 1),
  (SELECT coalesce(e.received_at, e.accepted_at) FROM entries AS e INDEXED BY entries_by_account
   WHERE e.account = wanted.value AND e.state = 'filed' ORDER BY e.id LIMIT 1)
FROM json_each(?) AS wanted;

-- name: totals
SELECT state, sum(entries) FROM tallies WHERE entries > 0 GROUP BY state;

-- name: totals_of_account
SELECT state, sum(entries) FROM tallies WHERE account = :account AND entries > 0 GROUP BY state;

-- name: busy
SELECT DISTINCT account FROM tallies WHERE state IN ('accepted', 'filed') AND entries > 0;

-- name: last_event
SELECT coalesce(max(id), 0) FROM events;

-- name: events_after
SELECT id, entry, account, kind, detail ->> '$.case' FROM events WHERE id > ? ORDER BY id LIMIT ?;

-- name: messages_of_account
SELECT coalesce(sum(entries), 0) FROM tallies WHERE account = ?;

-- name: text_events
SELECT id, entry FROM events WHERE id > (SELECT event FROM text_state WHERE id = 1) ORDER BY id LIMIT ?;

-- name: text_state
UPDATE text_state SET event = ? WHERE id = 1;

-- name: text_behind
SELECT EXISTS (SELECT 1 FROM events WHERE id > (SELECT event FROM text_state WHERE id = 1))
  OR EXISTS (SELECT 1 FROM text_due WHERE list IN ('messages', 'cases'));

-- name: text_due
SELECT id FROM text_due WHERE list = ? ORDER BY id LIMIT ?;

-- name: text_done
DELETE FROM text_due WHERE list = ? AND id IN (SELECT value FROM json_each(?));

-- name: opened_cases
SELECT c.number FROM json_each(?) AS wanted CROSS JOIN messages AS m ON m.entry = wanted.value
CROSS JOIN cases AS c ON c.id = m.case_id WHERE c.opened_by = m.entry;

-- name: forget_messages
DELETE FROM messages_text WHERE rowid IN (SELECT value FROM json_each(?));

-- name: index_messages
INSERT INTO messages_text (rowid, subject, sender)
SELECT m.entry, m.subject, m.sender FROM json_each(?) AS wanted CROSS JOIN messages AS m ON m.entry = wanted.value;

-- name: forget_cases
DELETE FROM cases_text WHERE rowid IN (SELECT value FROM json_each(?));

-- name: index_cases
INSERT INTO cases_text (rowid, subject, requester)
SELECT c.number, c.subject, c.requester FROM json_each(?) AS wanted CROSS JOIN cases AS c ON c.number = wanted.value;

-- name: unindexed_messages
SELECT wanted.value FROM json_each(?) AS wanted
WHERE NOT EXISTS (SELECT 1 FROM messages_text AS t CROSS JOIN messages AS m ON m.entry = t.rowid
                  WHERE t.rowid = wanted.value AND t.subject = m.subject AND t.sender = m.sender);
