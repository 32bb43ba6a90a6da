"""Telling the server that messages of the open folder are ours now (`Mailbox.acknowledge`), as `after` asks.

Only UIDs given are touched: no EXPUNGE without UIDs, no CLOSE, nothing is created. What the server confirms with a tagged OK
or no longer has is confirmed. Where it says no to a whole set, the ones still there are tried alone, so that one of
them cannot keep the others owed; a few refusals in a row end the attempt, and `remark` has the server's words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from . import answers, encode, folders
from .encode import Command
from .grammar import Condition, Status
from .session import Session

BATCH = 200
"""UIDs in one command."""
MAX_REFUSALS = 3
"""So many single refusals in a row are not about single messages."""


class Action(StrEnum):
    """The setting `after`."""

    SEEN = "seen"
    KEEP = "keep"
    DELETE = "delete"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class After:
    """What to do on the server with a message that is stored; `target` is the folder of `move`."""

    action: Action
    target: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`seen`, `keep`, `delete` or `move:Folder`. Raises ValueError."""
        word, _, target = text.partition(":")
        if (word == Action.MOVE) != bool(target):
            raise ValueError(f"after = {text!r}: seen, keep, delete or move:Folder")
        return cls(Action(word), target)

    def told(self) -> frozenset[str] | None:
        """The flags that show that nothing is owed for a message; None: nothing ever is."""
        return {Action.SEEN: frozenset({"\\seen"}), Action.KEEP: None}.get(self.action, frozenset())


class Acknowledger:
    """For one session; remembers what it copied, so that a server that refuses the next step gets no second copy."""

    def __init__(self, session: Session, after: After) -> None:
        self.session = session
        self.after = after
        self.remark = ""
        self._copied: set[tuple[str, int, int]] = set()

    @property
    def removes(self) -> bool:
        """Is what `delete` or `move` confirmed no longer in the folder? Without UIDPLUS it may only bear a mark."""
        moves = self.after.action is Action.MOVE and self.session.offers("MOVE")
        return moves or self.session.offers("UIDPLUS")

    async def acknowledge(self, uids: Iterable[int]) -> set[int]:
        """Those that the server confirmed or no longer has. Raises what ends the session. Idempotent."""
        if self.after.action is Action.KEEP:
            return set(uids)
        selected = self.session.selected
        if selected is None or selected.read_only:
            self.remark = "the folder is read-only"
            return set()
        self.remark = ""
        ordered = sorted(set(uids))
        confirmed: set[int] = set()
        for start in range(0, len(ordered), BATCH):
            confirmed |= await self._batch(ordered[start : start + BATCH])
        return confirmed

    async def _batch(self, uids: Sequence[int]) -> set[int]:
        step = self._step()
        if await step(uids) is None:
            return set(uids)
        there = await folders.still_there(self.session, uids)
        confirmed, refusals = set(uids) - there, 0
        for uid in sorted(there):
            refused = await step([uid])
            if refused is None:
                confirmed.add(uid)
                refusals = 0
                continue
            self.remark, refusals = refused.shown, refusals + 1
            if refusals == MAX_REFUSALS:
                break
        return confirmed

    def _step(self) -> Callable[[Sequence[int]], Awaitable[Status | None]]:
        """What does it to a set of UIDs: None, or the server's refusal."""
        if self.after.action is Action.SEEN:
            return self._mark_seen
        if self.after.action is Action.DELETE:
            return self._delete
        return self._move if self.session.offers("MOVE") else self._copy_and_delete

    async def _mark_seen(self, uids: Sequence[int]) -> Status | None:
        return await self._run(self._store(uids, b"\\Seen"))

    async def _delete(self, uids: Sequence[int]) -> Status | None:
        """Without UIDPLUS the messages stay marked: a plain EXPUNGE would remove what others marked, too."""
        commands = self._store(uids, b"\\Deleted")
        if self.session.offers("UIDPLUS"):
            commands += [Command("UID EXPUNGE", (text,)) for text in encode.uid_sets(uids)]
        return await self._run(commands)

    async def _move(self, uids: Sequence[int]) -> Status | None:
        """RFC 6851."""
        target = encode.folder(self.after.target, utf8=self.session.utf8)
        return await self._run([Command("UID MOVE", (text, target)) for text in encode.uid_sets(uids)])

    async def _copy_and_delete(self, uids: Sequence[int]) -> Status | None:
        """RFC 6851 §4.1's way without MOVE. What bears \\Deleted was copied before, by us or by who marked it."""
        fresh = await self._not_copied(uids)
        if fresh:
            target = encode.folder(self.after.target, utf8=self.session.utf8)
            refused = await self._run([Command("UID COPY", (text, target)) for text in encode.uid_sets(fresh)])
            if refused:
                return refused
            self._copied.update(self._key(uid) for uid in fresh)
        return await self._delete(uids)

    async def _not_copied(self, uids: Sequence[int]) -> list[int]:
        marked = set()
        for text in encode.uid_sets(uids):
            async for response in self.session.stream(Command("UID FETCH", (text, b"(UID FLAGS)"))):
                answer = None if isinstance(response, Status) else answers.fetch(response)
                if answer and answer.flags and "\\deleted" in answer.flags:
                    marked.add(answer.uid)
        return [uid for uid in uids if uid not in marked and self._key(uid) not in self._copied]

    def _key(self, uid: int) -> tuple[str, int, int]:
        selected = self.session.selected
        return (selected.name, selected.validity, uid) if selected else ("", 0, uid)

    def _store(self, uids: Sequence[int], flag: bytes) -> list[Command]:
        return [Command("UID STORE", (text, b"+FLAGS.SILENT", b"(" + flag + b")")) for text in encode.uid_sets(uids)]

    async def _run(self, commands: Sequence[Command]) -> Status | None:
        """The first refusal, or None."""
        statuses, _ = await self.session.run(*commands)
        return next((status for status in statuses if status.condition is not Condition.OK), None)
