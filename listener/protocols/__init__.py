"""The mail protocols: in each a grammar (no I/O), a session, and a `Mailbox` on top. None knows ledger, hooks or cases."""
