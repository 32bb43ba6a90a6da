"""A scriptable IMAP server on loopback; see `server` for its page and `script` for what it can be made to do wrong."""

from .connection import Connection
from .grammar import Command
from .script import Script
from .server import CAPABILITIES, Counters, ImapServer
from .store import Folder, Message, NoSuchFolder, Store

__all__ = [
    "CAPABILITIES",
    "Command",
    "Connection",
    "Counters",
    "Folder",
    "ImapServer",
    "Message",
    "NoSuchFolder",
    "Script",
    "Store",
]
