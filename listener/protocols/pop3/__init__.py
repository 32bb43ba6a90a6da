"""POP3 (RFC 1939): a grammar without I/O, a session, sign-in, and the mailbox on top."""
