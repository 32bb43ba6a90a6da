"""What the server scripts share: an embedded server that misbehaves, and our IMAP mailbox on it. All under a virtual clock."""

import asyncio
from contextlib import aclosing, asynccontextmanager, suppress

from listener.errors import FolderMissing
from listener.mailbox import Receipt
from listener.protocols.imap.acknowledging import After
from listener.protocols.imap.mailbox import ImapMailbox, ImapSettings
from listener.testing import ImapServer
from listener.testing.imap.grammar import read_set
from tests.contract.reading import fetched, listed, listings, mail, new_octets, states
from tests.contract.worlds import PASSWORD, USER, credentials, endpoint

__all__ = ["fetched", "imap", "listed", "listings", "mail", "new_octets", "states", "waiting"]

ROUNDS = 3


class ScriptedServer(ImapServer):
    """The embedded server with what several scripts do to it and to the mailbox on it."""

    @asynccontextmanager
    async def opened(self, *folders, after="seen", poll_interval=60.0):
        """Our mailbox, signed in; closed at the end."""
        settings = ImapSettings(folders or ("INBOX",), After.parse(after), poll_interval)
        mailbox = await ImapMailbox.open(endpoint(self), credentials(), settings)
        try:
            yield mailbox
        finally:
            await mailbox.close()

    def on_command(self, name, act):
        """Do something once, when a command of this name arrives and before it is carried out."""

        def observe(command):
            if command.name in (name, f"UID {name}"):
                self.observe = None
                act()

        self.observe = observe

    def refuse(self, uid):
        """This message is listed and never handed over."""

        def asks(command):
            wanted = read_set(command.arguments[0], 2**32)
            return b"BODY.PEEK[" in command.line and any(low <= uid <= high for low, high in wanted)

        self.script.on("FETCH", when=asks, reply="NO [CONTACTADMIN] damaged")

    @staticmethod
    def receipts(pages):
        return [Receipt(listing.folder, listing.unique_id) for page in pages for listing in page.listings]

    async def extents(self, mailbox, pages):
        """How each listed message came, in the order of the listings."""
        wanted = [listing for page in pages for listing in page.listings]
        got = {one.listing.unique_id: str(one.extent) for one in await fetched(mailbox, wanted)}
        return [got[listing.unique_id] for listing in wanted]

    async def read_into(self, mailbox, seen):
        """Fetch page by page into a list, which keeps what came before an error."""
        async with aclosing(mailbox.pages({})) as pages:
            async for page in pages:
                seen += [one.octets for one in await fetched(mailbox, page.listings)]

    @staticmethod
    async def pages_but_missing(mailbox, since):
        """The pages of the folders that are there."""
        pages = []
        with suppress(FolderMissing):
            async for page in mailbox.pages(since):
                pages.append(page)
        return pages

    async def whole_round(self, mailbox):
        """What a receiver does: list, fetch, acknowledge, wait, and look again, a few times over."""
        pages = await listed(mailbox)
        await self.extents(mailbox, pages)
        await mailbox.acknowledge(self.receipts(pages))
        kept = states(pages)
        for _ in range(ROUNDS):
            await mailbox.wait()
            kept = states(await listed(mailbox, kept), kept)

    async def session(self, *folders):
        """A whole session of that, from the sign-in on."""
        async with self.opened(*folders) as mailbox:
            await self.whole_round(mailbox)

    async def wait_for_mail(self, mailbox):
        """Wait again and again, looking after each wake-up, as a receiver does."""
        kept = states(await listed(mailbox))
        while True:
            await mailbox.wait()
            kept = states(await listed(mailbox, kept), kept)

    def acknowledged(self, octets, after):
        """Whether the message shows that it was told, wherever it is now."""
        inbox = [message for message in self.folder().messages.values() if message.octets == octets]
        if after == "seen":
            return [message.flags for message in inbox] == [{"\\Seen"}]
        if after == "delete":
            return not inbox
        target = self.folder(after.partition(":")[2]).messages.values()
        return not inbox and [message.octets for message in target] == [octets]

    async def asleep(self, mailbox):
        return await waiting(self, mailbox)


@asynccontextmanager
async def imap(*, hidden=(), mechanisms=(), **options):
    async with ScriptedServer(users={USER: PASSWORD}, mechanisms=mechanisms, **options) as server:
        server.hidden |= set(hidden)
        yield server


async def waiting(server, mailbox):
    """A task that waits for mail, by now idling."""
    task = asyncio.ensure_future(mailbox.wait())
    seen = len(server.commands("IDLE"))
    await server.until(lambda: len(server.commands("IDLE")) > seen or task.done())
    while mailbox.idle_since is None and not task.done():
        await asyncio.sleep(0.001)  # virtual
    return task
