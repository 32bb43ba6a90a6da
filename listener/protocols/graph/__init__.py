"""Microsoft Graph (v1.0, mail): links, answers and sync states without I/O, our own client, and the mailbox on top."""
