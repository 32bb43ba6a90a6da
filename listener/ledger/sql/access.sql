-- Who may use the API, and who ordered what.

-- name: insert_token
INSERT INTO api_tokens (id, name, scope, digest, created_at) VALUES (?, ?, ?, ?, ?);

-- name: token
SELECT id, name, scope, digest FROM api_tokens WHERE id = ? AND revoked_at IS NULL;

-- name: valid_token_of_name
SELECT id FROM api_tokens INDEXED BY api_tokens_by_name WHERE name = ? AND revoked_at IS NULL;

-- name: count_valid_tokens
SELECT count(*) FROM api_tokens INDEXED BY api_tokens_by_name WHERE revoked_at IS NULL;

-- name: valid_tokens
SELECT id, name, scope, created_at FROM api_tokens INDEXED BY api_tokens_by_name WHERE revoked_at IS NULL ORDER BY name;

-- name: revoke_token
UPDATE api_tokens SET revoked_at = ? WHERE id = ?;

-- name: insert_audit
INSERT INTO audit (at, who, action, target, outcome, detail) VALUES (?, ?, ?, ?, ?, ?);

-- name: audit
SELECT id, at, who, action, target, outcome, detail FROM audit WHERE id < :before ORDER BY id DESC LIMIT :most;

-- name: audit_of_who
SELECT id, at, who, action, target, outcome, detail FROM audit WHERE who = :who AND id < :before ORDER BY id DESC LIMIT :most;

-- name: audit_of_action
SELECT id, at, who, action, target, outcome, detail FROM audit
WHERE action = :action AND id < :before ORDER BY id DESC LIMIT :most;

-- name: audit_of_both
SELECT id, at, who, action, target, outcome, detail FROM audit INDEXED BY audit_by_who
WHERE who = :who AND action = :action AND id < :before ORDER BY id DESC LIMIT :most;
