"""A scriptable POP3 server on loopback; see `server` for its page and `..script` for what it can be made to do wrong."""

from .connection import Command, Connection
from .maildrop import Drop, Maildrop
from .server import CAPABILITIES, Pop3Server

__all__ = ["CAPABILITIES", "Command", "Connection", "Drop", "Maildrop", "Pop3Server"]
