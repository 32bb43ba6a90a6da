"""For people who build on Listener, and for our own tests: mail servers on loopback that can be made to misbehave.

`ImapServer` is also what `listener demo` runs on. Nothing here is imported by the daemon itself.
"""

from .imap import ImapServer

__all__ = ["ImapServer"]
