"""IMAP (RFC 9051, RFC 3501): grammar and encoder without I/O, a session, and the mailbox that receivers use."""
