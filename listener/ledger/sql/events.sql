-- name: insert
INSERT INTO events (entry, account, at, kind, detail) VALUES (?, ?, ?, ?, ?);
