-- For those who follow what happens to messages.

-- name: last_event
SELECT coalesce(max(id), 0) FROM events;

-- name: ended_after
SELECT id, entry FROM events
WHERE id > :after AND entry IS NOT NULL
AND kind IN ('message.filed', 'message.done', 'message.ignored', 'message.quarantined', 'message.dead')
ORDER BY id LIMIT :most;

-- name: head
SELECT e.account, e.state, e.received_at, m.kind FROM entries AS e LEFT JOIN messages AS m ON m.entry = e.id WHERE e.id = ?;

-- name: events_of
SELECT at, kind, detail FROM events WHERE entry = :entry ORDER BY id LIMIT :most;
