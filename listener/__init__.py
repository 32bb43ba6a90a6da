"""Listener turns mailboxes into cases. The picture and the promises are in docs/architecture.md."""

__version__ = "0.1.0"
