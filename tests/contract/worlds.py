"""The remote mailboxes that the contract suite runs against; to add an implementation, write its world and name it in WORLDS.

A world is the far side: what the provider holds, and how a session to it is opened. Tests are written against the methods of
`World` and the `Mailbox` that `open` gives, never against one implementation. `traits` says what a protocol has at all:

    folders     more than one folder
    states      a sync state, so that later sessions list only what is new
    resets      ids that may be given anew, told by `Page.reset`
    waits       a session that can wait for new mail
    tells       `acknowledge` does something that the far side shows
    octets      messages are any octets at all, not only lines that end in CRLF
    sizes       octets announced before a message is fetched
"""

import time
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack
from unittest.mock import patch

from listener.mailbox import Mailbox
from listener.protocols.endpoint import Endpoint, Security
from listener.protocols.graph.listing import Bounds
from listener.protocols.graph.mailbox import GraphMailbox, GraphSettings
from listener.protocols.imap import listing as imap_listing
from listener.protocols.imap.acknowledging import After
from listener.protocols.imap.mailbox import ImapMailbox, ImapSettings
from listener.protocols.pop3.mailbox import Pop3Mailbox, Pop3Settings
from listener.protocols.sasl import Credentials
from listener.testing import Pop3Server
from listener.testing.graph import GraphServer
from listener.testing.imap import CAPABILITIES, ImapServer, Store
from listener.testing.imap.grammar import read_set
from listener.testing.mailbox import FakeMailbox
from tests.eventually import eventually

PROCESSED = "Processed mail"
USER, PASSWORD = "user", "a secret"
POLLED_EVERY = 0.05
"""Seconds, so that no test waits long for a folder that is only polled."""


def endpoint(server) -> Endpoint:
    """Where an embedded server listens, in clear on loopback."""
    return Endpoint(server.host, server.port, Security.NONE)


def credentials() -> Credentials:
    async def secret():
        return PASSWORD

    return Credentials(USER, secret)


class World(ABC):
    """The far side of one account. Messages are named by their octets, which every test keeps unique."""

    name = ""
    traits = frozenset({"folders", "states", "resets", "waits", "sizes"})

    @abstractmethod
    async def start(self, stack: AsyncExitStack) -> None:
        """Bring the far side up; the stack takes it down."""

    @abstractmethod
    async def open(self, *folders: str, page_count: int | None = None, page_octets: int | None = None) -> Mailbox:
        """A new session that watches these folders (INBOX where none is named)."""

    @abstractmethod
    def deliver(self, octets: bytes, *, folder: str = "INBOX", received_at: float | None = None) -> None: ...
    @abstractmethod
    def expunge(self, octets: bytes, *, folder: str = "INBOX") -> None: ...
    @abstractmethod
    def told(self, octets: bytes, *, folder: str = "INBOX") -> bool:
        """Whether the message shows what `acknowledge` is meant to do to it."""

    @abstractmethod
    def untouched(self, octets: bytes, *, folder: str = "INBOX") -> bool:
        """Whether the message is there as it was delivered."""

    @abstractmethod
    def refuse(self, octets: bytes) -> None:
        """From now on the server lists this message of INBOX and will not hand it over."""

    @abstractmethod
    async def asleep(self, mailbox: Mailbox) -> None:
        """Returns once the session is truly waiting for new mail."""

    @abstractmethod
    def lose(self, mailbox: Mailbox) -> None:
        """The session's connection breaks without a word."""

    # what only some protocols have

    def create(self, folder: str) -> None:
        raise AssertionError(f"{self.name} has no folders")

    def drop(self, folder: str) -> None:
        raise AssertionError(f"{self.name} has no folders")

    def renumber(self, folder: str = "INBOX") -> None:
        raise AssertionError(f"{self.name} has no resets")


class StoreWorld(World):
    """What the worlds over folders in memory have in common. `after` is the setting of that name."""

    after = "seen"
    store: Store

    def deliver(self, octets, *, folder="INBOX", received_at=None):
        self.store.deliver(folder, octets, internal_date=received_at)

    def expunge(self, octets, *, folder="INBOX"):
        self.store[folder].expunge([self._uid(octets, folder)])

    def told(self, octets, *, folder="INBOX"):
        uid = self._uid(octets, folder)
        if self.after == "seen":
            return uid is not None and "\\Seen" in self.store[folder].messages[uid].flags
        moved = self.after == "delete" or self._uid(octets, PROCESSED) is not None
        return uid is None and moved

    def untouched(self, octets, *, folder="INBOX"):
        uid = self._uid(octets, folder)
        return uid is not None and not self.store[folder].messages[uid].flags

    def create(self, folder):
        self.store.create(folder)

    def drop(self, folder):
        self.store.delete(folder)

    def renumber(self, folder="INBOX"):
        box = self.store[folder]
        box.renumber(box.uid_validity + 1_000)

    def _uid(self, octets, folder):
        if folder not in self.store:
            return None
        return next((uid for uid, message in self.store[folder].messages.items() if message.octets == octets), None)


class FakeSeen(StoreWorld):
    """`FakeMailbox`, which has no wire at all."""

    name = "fake-seen"

    async def start(self, stack):
        self.store = Store(time.time)
        self.store.create(PROCESSED)
        self.refused = set()

    async def open(self, *folders, page_count=None, page_octets=None):
        sizes = {"page_count": page_count, "page_octets": page_octets}
        given = {name: value for name, value in sizes.items() if value is not None}
        return FakeMailbox(self.store, folders or ("INBOX",), after=self.after, refused=self.refused, **given)

    def refuse(self, octets):
        self.refused.add(("INBOX", self._uid(octets, "INBOX")))

    async def asleep(self, mailbox):
        await eventually(lambda: mailbox.waiting)

    def lose(self, mailbox):
        mailbox.lose()


class FakeMove(FakeSeen):
    name = "fake-move"
    after = f"move:{PROCESSED}"


class FakeDelete(FakeSeen):
    name = "fake-delete"
    after = "delete"


class ImapSeen(StoreWorld):
    """`ImapMailbox` on the embedded server."""

    name = "imap-seen"
    capabilities = CAPABILITIES

    async def start(self, stack):
        server = ImapServer(users={USER: PASSWORD}, capabilities=self.capabilities)
        self.server = await stack.enter_async_context(server)
        self.store = self.server.store()
        self.store.create(PROCESSED)
        self._stack = stack
        self._refused = set()
        self.server.script.on("FETCH", when=self._asks_for_refused, reply="NO [CONTACTADMIN] damaged")

    async def open(self, *folders, page_count=None, page_octets=None):
        for name, value in (("PAGE_LISTINGS", page_count), ("PAGE_OCTETS", page_octets)):
            if value is not None:
                self._stack.enter_context(patch.object(imap_listing, name, value))
        settings = ImapSettings(folders or ("INBOX",), After.parse(self.after), poll_interval=POLLED_EVERY)
        mailbox = await ImapMailbox.open(endpoint(self.server), credentials(), settings)
        self._stack.push_async_callback(mailbox.close)
        return mailbox

    def refuse(self, octets):
        self._refused.add(self._uid(octets, "INBOX"))

    def _asks_for_refused(self, command):
        if b"BODY.PEEK[" not in command.line:
            return False
        return any(low <= uid <= high for low, high in read_set(command.arguments[0], 2**32) for uid in self._refused)

    async def asleep(self, mailbox):
        await eventually(lambda: mailbox.idle_since is not None)

    def lose(self, mailbox):
        self.server.disconnect(reset=True)


class ImapMove(ImapSeen):
    name = "imap-move"
    after = f"move:{PROCESSED}"


class ImapCopy(ImapMove):
    """MOVE by COPY and UID EXPUNGE (RFC 6851 is not everywhere)."""

    name = "imap-copy"
    capabilities = tuple(word for word in CAPABILITIES if word != "MOVE")


class ImapDelete(ImapSeen):
    name = "imap-delete"
    after = "delete"


class ImapRev2(ImapMove):
    """A server that knows only IMAP4rev2: folder names in UTF-8, ESEARCH, no RECENT (RFC 9051 appendix E)."""

    name = "imap-rev2"
    capabilities = ("IMAP4rev2", "LITERAL-", "SASL-IR")


class ImapBare(ImapSeen):
    """A server of RFC 3501 and nothing more: no IDLE, no UIDPLUS, every literal waits."""

    name = "imap-bare"
    capabilities = ("IMAP4rev1",)

    async def asleep(self, mailbox):
        looks = len(self.server.commands("NOOP"))
        await self.server.until(lambda: len(self.server.commands("NOOP")) > looks)


class Pop3Delete(StoreWorld):
    """`Pop3Mailbox` on the embedded server."""

    name = "pop3-delete"
    traits = frozenset({"tells"})
    after = "delete"

    async def start(self, stack):
        self.server = await stack.enter_async_context(Pop3Server(users={USER: PASSWORD}))
        self.store = self.server.store()
        self._stack = stack

    async def open(self, *folders, page_count=None, page_octets=None):
        await self.server.until(lambda: not self.server.locked)
        given = {"page_count": page_count, "page_octets": page_octets}
        settings = Pop3Settings(self.after == "delete", **{name: value for name, value in given.items() if value is not None})
        mailbox = await Pop3Mailbox.open(endpoint(self.server), credentials(), settings)
        self._stack.push_async_callback(mailbox.close)
        return mailbox

    def refuse(self, octets):
        number = 1 + list(self.store["INBOX"].messages).index(self._uid(octets, "INBOX"))
        self.server.script.on("RETR", when=lambda command: command.number == number, reply="-ERR [SYS/PERM] damaged")

    async def asleep(self, mailbox):
        raise AssertionError("a POP3 session cannot wait")

    def lose(self, mailbox):
        self.server.disconnect(reset=True)


class Pop3Keep(Pop3Delete):
    """Nothing is ever told."""

    name = "pop3-keep"
    traits = frozenset()
    after = "keep"


class Pop3Bare(Pop3Delete):
    """A server of RFC 1939 and nothing more: no CAPA, no UIDL, no pipelining."""

    name = "pop3-bare"

    async def start(self, stack):
        await super().start(stack)
        self.server.hidden.update({"CAPA", "UIDL"})


class GraphSeen(StoreWorld):
    """`GraphMailbox` on the embedded server."""

    name = "graph-seen"
    traits = frozenset({"folders", "states", "resets", "waits", "tells", "octets"})

    async def start(self, stack):
        self.server = await stack.enter_async_context(GraphServer(users=[USER], tokens=[PASSWORD.replace(" ", "-")]))
        self.store = self.server.store()
        self.store.create(PROCESSED)
        self._stack = stack

    async def open(self, *folders, page_count=None, page_octets=None):
        bounds = Bounds() if page_count is None else Bounds(page_count, page_count)
        settings = GraphSettings(folders or ("INBOX",), After.parse(self.after), poll_interval=POLLED_EVERY, bounds=bounds)

        async def token():
            return PASSWORD.replace(" ", "-")

        mailbox = await GraphMailbox.open(endpoint(self.server), USER, token, settings)
        self._stack.push_async_callback(mailbox.close)
        return mailbox

    def refuse(self, octets):
        place = self.store["INBOX"].messages[self._uid(octets, "INBOX")]
        refused = self.server.mailbox().exchange.message_id("INBOX", place, immutable=True)
        words = {"status": 500, "code": "ErrorMimeContentConversionFailed", "words": "MIME content conversion failed."}
        self.server.script.on("value", when=lambda asked: asked.id == refused, **words)

    async def asleep(self, mailbox):
        await eventually(lambda: mailbox.waiting)

    def lose(self, mailbox):
        self.server.script.on("*", close="before")

    def renumber(self, folder="INBOX"):
        """What a mailbox that was exported and imported shows: new ids, and no token is known any more."""
        for message in self.store[folder].messages.values():
            message.email_id = f"N{message.email_id}"
        self.server.delta().expire()


class GraphMove(GraphSeen):
    name = "graph-move"
    after = f"move:{PROCESSED}"


class GraphDelete(GraphSeen):
    name = "graph-delete"
    after = "delete"


WORLDS = [FakeSeen, FakeMove, FakeDelete, ImapSeen, ImapMove, ImapCopy, ImapDelete, ImapRev2, ImapBare]
WORLDS += [Pop3Delete, Pop3Keep, Pop3Bare]
WORLDS += [GraphSeen, GraphMove, GraphDelete]
