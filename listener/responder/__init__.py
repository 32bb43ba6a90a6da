"""Automatic answers (RFC 3834): may one be sent, to whom, how many, and what is in it. Words and rules, no I/O.

The ledger asks `rules` and `budgets` in the transaction that files a message, so that a verdict and its count are one step; the
outbox renders `templates` and `compose`s the octets outside of it. `policy` is what an account's settings say.
"""
