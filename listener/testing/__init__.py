"""For people who build on Listener, and for our own tests: servers on loopback, messages, and `deliver` for hooks.

    deliver(hook, eml)      one message through one hook, as the daemon would call it
    make_message(…)         the octets of a message
    ImapServer, Pop3Server, GraphServer, SmtpReceiver, FakeMailbox    servers that can be watched, and made to misbehave

`listener demo` runs on them, too. Nothing here is imported by the daemon itself. docs/testing.md is the guide.
"""

from .graph import GraphServer
from .hooks import deliver
from .imap import ImapServer
from .mailbox import FakeMailbox
from .messages import make_message, sample, sample_names
from .pop3 import Pop3Server
from .smtp import Envelope, SmtpReceiver

__all__ = [
    "Envelope",
    "FakeMailbox",
    "GraphServer",
    "ImapServer",
    "Pop3Server",
    "SmtpReceiver",
    "deliver",
    "make_message",
    "sample",
    "sample_names",
]
