"""A scriptable Microsoft Graph on loopback; see `server` for its page and `script` for what it can be made to do wrong."""

from .answers import Answer, refused
from .delta import Delta
from .script import Asked, Script
from .server import Counters, GraphServer

__all__ = ["Answer", "Asked", "Counters", "Delta", "GraphServer", "Script", "refused"]
