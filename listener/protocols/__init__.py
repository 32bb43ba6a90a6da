"""The mail protocols: in each a grammar without I/O, a session, and on top a `Mailbox`. None knows the ledger, hooks or cases."""
