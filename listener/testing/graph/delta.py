"""Rounds of `messages/delta`: tokens that can be used again, pages, and the ways in which Exchange surprises its clients.

Switches, all off at first:
    page_size      items in a page at most, whatever the client would take
    empty_pages    before each page one without items, with a nextLink
    trailing       the deltaLink comes on an empty page of its own
    doubled        the first item of a page stands in it twice
    replayed       each page begins with the items of the one before
    shuffle        random.Random: items come in its order, through all pages
    partial        of a message that the client knows, a change lists only `id` and `isRead`
    forgotten      immutable ids that no delta ever lists
`expire()` loses every token so far.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..store import Message
from .exchange import Exchange

DEFAULT_PAGE = 10
Link = Callable[[str, str], str]
PARTIAL = ("@odata.etag", "id", "isRead")


@dataclass(frozen=True, slots=True)
class _Position:
    """What a token stands for. `pending` are UIDs, or the ids of what was removed; `known`: what the client has by id."""

    folder: str
    since: int
    upto: int
    known: frozenset[str]
    pending: tuple[int | str, ...] | None
    offset: int = 0
    emptied: bool = False
    select: str = ""


@dataclass(slots=True)
class Delta:
    """The rounds of one mailbox."""

    exchange: Exchange
    page_size: int | None = None
    empty_pages: bool = False
    trailing: bool = False
    doubled: bool = False
    replayed: bool = False
    shuffle: random.Random | None = None
    partial: bool = False
    forgotten: set[str] = field(default_factory=set)
    _tokens: list[_Position | None] = field(default_factory=list)

    def expire(self) -> None:
        """Forget every token that was given out."""
        self._tokens = [None] * len(self._tokens)

    def begin(self, folder: str, select: str, size: int, link: Link, *, immutable: bool) -> dict[str, Any]:
        """The first page of a round from the beginning. `link(kind, token)` makes the URL of a token."""
        return self._page(_Position(folder, 0, 0, frozenset(), None, select=select), size, link, immutable)

    def go_on(self, token: str, folder: str, size: int, link: Link, *, immutable: bool) -> dict[str, Any] | None:
        """The page of a token; None when it is not known (any more)."""
        number = int(token) if token.isascii() and token.isdigit() else -1
        position = self._tokens[number] if 0 <= number < len(self._tokens) else None
        if position is None or position.folder != folder:
            return None
        return self._page(position, size, link, immutable)

    def _page(self, position: _Position, size: int, link: Link, immutable: bool) -> dict[str, Any]:
        if position.pending is None:
            position = self._begun(position)
        if self.empty_pages and not position.emptied:
            return self._answer([], link("$skiptoken", self._token(replace(position, emptied=True))), None)
        pending = position.pending or ()
        size = min(size, self.page_size or size)
        start = max(position.offset - size, 0) if self.replayed else position.offset
        end = position.offset + size
        listed = self._items(position, pending[start:end], immutable)
        if end < len(pending) or (self.trailing and position.offset < len(pending)):
            following = replace(position, offset=min(end, len(pending)), emptied=False)
            return self._answer(listed, link("$skiptoken", self._token(following)), None)
        return self._answer(listed, None, link("$deltatoken", self._token(self._ended(position))))

    def _begun(self, position: _Position) -> _Position:
        """What there is to list at this moment; what comes later belongs to the next round."""
        name, since = position.folder, position.since
        there = self.exchange.messages(name)
        changed: list[int | str] = [m.uid for m in there if m.modseq > since and self._id(name, m) not in self.forgotten]
        removed = position.known - {self._id(name, m) for m in there}
        changed += sorted(removed)
        if self.shuffle is not None:
            self.shuffle.shuffle(changed)
        upto = self.exchange.store[name].highest_modseq if name in self.exchange.store else 0
        return replace(position, pending=tuple(changed), upto=upto)

    def _ended(self, position: _Position) -> _Position:
        name = position.folder
        known = frozenset(self._id(name, m) for m in self.exchange.messages(name) if m.modseq <= position.upto)
        return _Position(name, position.upto, 0, known, None, select=position.select)

    def _items(self, position: _Position, pending: Sequence[int | str], immutable: bool) -> list[dict[str, Any]]:
        name = position.folder
        messages = self.exchange.store[name].messages if name in self.exchange.store else {}
        listed: list[dict[str, Any]] = []
        for one in pending:
            if isinstance(one, str):
                listed.append({"@removed": {"reason": "deleted"}, "id": one})
            elif one in messages:
                listed.append(self._item(position, messages[one], immutable))
        return listed[:1] * self.doubled + listed

    def _item(self, position: _Position, message: Message, immutable: bool) -> dict[str, Any]:
        whole = self.exchange.message_json(position.folder, message, immutable=immutable)
        if self.partial and self._id(position.folder, message) in position.known:
            return {key: whole[key] for key in PARTIAL}
        return selected(whole, position.select)

    def _id(self, folder: str, message: Message) -> str:
        return self.exchange.message_id(folder, message, immutable=True)

    def _token(self, position: _Position) -> str:
        self._tokens.append(position)
        return str(len(self._tokens) - 1)

    def _answer(self, listed: list[dict[str, Any]], following: str | None, end: str | None) -> dict[str, Any]:
        links = {"@odata.nextLink": following, "@odata.deltaLink": end}
        return {"@odata.context": "$metadata#Collection(message)", **{k: v for k, v in links.items() if v}, "value": listed}


def selected(whole: dict[str, Any], select: str) -> dict[str, Any]:
    """The properties that were asked for; id and etag always."""
    wanted = {"id", "@odata.etag", *select.split(",")} if select else set(whole)
    return {key: value for key, value in whole.items() if key in wanted}
