"""A scriptable IMAP server on loopback; see `server` for its page and `..script` for what it can be made to do wrong."""

from ..script import Script
from ..serving import Counters
from ..store import Folder, Message, NoSuchFolder, Store
from .connection import Connection
from .grammar import Command
from .server import CAPABILITIES, ImapServer

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
