"""The world around a daemon that dies: a mail server that lives on, one run after the other, and the count at the end."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import sqlite3
import sys
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field, replace
from multiprocessing import forkserver
from pathlib import Path

from crash.child import Run, main
from listener.testing import ImapServer, Pop3Server
from listener.testing.graph import GraphServer
from listener.testing.oauth import TokenServer
from listener.testing.store import Store

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["crash.child", "listener.protocols.opening", "listener.commands", "aiohttp.web"])
KILLED = -9
HUNG = 3
"""Exit status of a run that never settled."""
Server = ImapServer | Pop3Server | GraphServer
USER = "user@example.com"
AHEAD = " ahead"
"""At the end of `after`: the day's share is spent from the beginning, so that all mail is read ahead of its sync state."""


def protocol(after: str) -> str:
    """Of a world with this `after`."""
    before, colon, _ = after.partition(":")
    return before if colon and before in ("pop3", "graph") else "imap"


def start_forking() -> None:
    """Start the process that children are forked from, with everything imported once; it needs our path to find it."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def mail(number: int, answers: int | None = None) -> bytes:
    """A small message; `answers` makes it a reply, by whoever wrote the first: nobody else may come into a case."""
    writer = number if answers is None else 1
    reply = f"References: <{answers}@example.net>\r\n" if answers is not None else ""
    return (
        f"From: c{writer}@example.net\r\nTo: support@example.com\r\nSubject: Number {number}\r\n"
        f"Message-ID: <{number}@example.net>\r\n{reply}\r\nText {number}.\r\n"
    ).encode()


def message_id(octets: bytes) -> str:
    """The Message-ID of one of these messages."""
    return octets.split(b"Message-ID: <")[1].split(b">")[0].decode()


@dataclass
class World:
    """One mailbox of five messages in three cases, and a place for the daemon.

    `after` is the setting of that name; with `pop3:` or `graph:` before it the mailbox is one of these.
    Graph is signed in to by `tokens`, and vouched for by `ca`.
    """

    folder: Path
    after: str
    server: Server
    tokens: TokenServer
    ca: Path
    messages: int = 5
    cases: int = 3
    crashes: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def protocol(self) -> str:
        return protocol(self.after)

    @property
    def action(self) -> str:
        """The setting `after` itself."""
        return self.after.removeprefix(f"{self.protocol}:").removesuffix(AHEAD)

    @property
    def store(self) -> Store:
        return self.server.store()

    def prepare(self) -> None:
        """Fill the mailbox and write the configuration."""
        self.folder.mkdir()
        for number, answers in ((1, None), (2, None), (3, 1), (4, None), (5, 3)):
            self.server.deliver("INBOX", mail(number, answers))
        if self.action.startswith("move:"):
            self.store.create(self.action.removeprefix("move:"))
        (self.folder / "password").write_text("secret")
        (self.folder / "password").chmod(0o600)
        (self.folder / "listener.toml").write_text(
            f'[listener]\nstate_dir = "{self.folder / "state"}"\n[admin]\nbind = "127.0.0.1:0"\n'
            f'[[accounts]]\nid = "support"\naddress = "s@example.com"\n'
            f'provider = "{"microsoft365" if self.protocol == "graph" else "custom"}"\n'
            f'start = "all"\nhooks = ["python:json:JSONDecoder"]\n'
            f'[accounts.receiver]\nhost = "127.0.0.1"\nport = {self.server.port}\n'
            f'user = "{USER}"\npoll_interval = "1s"\nprotocol = "{self.protocol}"\nafter = "{self.action}"\n'
            + ('max_per_day = "0B"\n' if self.after.endswith(AHEAD) else "")
            + self._secret()
        )

    def _secret(self) -> str:
        """How the account signs in; Graph by tokens, which the server takes as the token server issues them."""
        if self.protocol != "graph":
            return 'security = "none"\npassword_file = "password"\n'
        return (
            f'truststore_file = "{self.ca}"\noauth = "entra"\n[oauth.entra]\ngrant = "client_credentials"\nissuer = "custom"\n'
            f'token_url = "{self.tokens.url}"\nclient_id = "me"\nclient_secret_file = "password"\n'
        )

    async def run(self, run: Run) -> int:
        """One life of the daemon. Checks P1 at the moment of its death."""
        process = FORK.Process(target=main, args=(run,))
        process.start()
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        loop.add_reader(process.sentinel, lambda: ended.done() or ended.set_result(None))
        await ended
        loop.remove_reader(process.sentinel)
        process.join()
        code = process.exitcode
        process.close()
        self.crashes += code != 0
        self.check_told_only_what_is_stored()
        return code

    def plain(self, **changes: object) -> Run:
        """A run of this world."""
        run = Run(self.folder / "listener.toml", self.folder / "record", self.messages)
        return replace(run, **changes)

    # --- what must hold -----------------------------------------------------------------------------------------------

    def told(self) -> set[str]:
        """Message-IDs that the server shows as acknowledged."""
        if self.protocol == "pop3":
            return self.everything() - {ids for ids, _ in self.on_server("INBOX")}
        if self.action == "seen":
            return {ids for ids, flags in self.on_server("INBOX") if "\\Seen" in flags}
        return {ids for ids, _ in self.on_server(self.action.removeprefix("move:"))}

    def everything(self) -> set[str]:
        """Message-IDs of all that was delivered."""
        return {f"{n}@example.net" for n in range(1, self.messages + 1)}

    def on_server(self, folder: str) -> list[tuple[str, set[str]]]:
        """Message-ID and flags of everything in a folder."""
        messages = self.store[folder].messages.values()
        return [(message_id(m.octets), m.flags) for m in messages]

    def stored(self) -> set[str]:
        """Message-IDs whose octets the ledger holds."""
        path = self.folder / "state" / "ledger.sqlite3"
        if not path.exists():
            return set()
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
            try:
                rows = ledger.execute("SELECT octets FROM raw").fetchall()
            except sqlite3.OperationalError:  # died before the tables were made
                return set()
        return {message_id(octets) for (octets,) in rows}

    def check_told_only_what_is_stored(self) -> None:
        """P1, at any moment."""
        early = self.told() - self.stored()
        if early:
            self.broken.append(f"acknowledged before stored: {sorted(early)}")

    def check_the_end(self) -> list[str]:
        """All promises, after a run that ended by itself."""
        with closing(sqlite3.connect(self.folder / "state" / "ledger.sqlite3")) as ledger:
            states = Counter(state for (state,) in ledger.execute("SELECT state FROM entries"))
            cases = ledger.execute("SELECT count(*) FROM cases").fetchone()[0]
            ids = Counter(i for (i,) in ledger.execute("SELECT message_id FROM messages"))
            noted = "SELECT m.message_id, d.outcome ->> '$.note' FROM deliveries AS d JOIN messages AS m ON m.entry = d.entry"
            notes = ledger.execute(noted).fetchall()
            references = dict(ledger.execute("SELECT case_id, reference FROM case_references"))
        everything = self.everything()
        calls: dict[str, list[dict[str, str]]] = defaultdict(list)
        for line in (self.folder / "record").read_text().splitlines():
            call = json.loads(line)
            calls[call["message_id"]].append(call)
        keys = {message: {call["key"] for call in made} for message, made in calls.items()}
        threads = {message: {call["case"] for call in made} for message, made in calls.items()}
        self._expect(states == {"done": self.messages}, f"states {dict(states)}")
        self._expect(cases == self.cases, f"{cases} cases, not {self.cases}")
        self._expect(set(ids) == everything and set(ids.values()) == {1}, f"messages {dict(ids)}")
        self._expect(set(calls) == everything, f"hook called for {sorted(calls)}")
        self._expect(all(len(k) == 1 for k in keys.values()), f"a key changed: {keys}")
        self._expect(len(set().union(*keys.values())) == len(keys), "two messages share a key")
        self._expect(all(len(made) <= 1 + self.crashes for made in calls.values()), "called more often than we died")
        self._expect(all(len(t) == 1 for t in threads.values()), f"a message changed its case: {threads}")
        self._expect(sorted(notes) == sorted((m, k) for m, of in keys.items() for k in of), f"outcomes carried out: {notes}")
        self._expect(references == {c: f"ref-{c}" for of in threads.values() for c in of}, f"references {references}")
        to_tell = set() if self.after == "pop3:keep" else everything
        self._expect(self.told() == to_tell, f"the server was told of {sorted(self.told())}")
        if self.action.startswith("move:"):
            moved = Counter(ids for ids, _ in self.on_server(self.action.removeprefix("move:")))
            self._expect(set(moved.values()) == {1} and not self.on_server("INBOX"), f"moved {dict(moved)}")
        return self.broken

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.broken.append(otherwise)
