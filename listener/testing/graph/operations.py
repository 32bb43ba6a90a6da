"""What each request of the embedded Graph does, apart from the wire: one method for each name that `script` knows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from ..store import Message
from .answers import Answer, bad_request, document, item_not_found, refused
from .composing import composed, parameters
from .delta import DEFAULT_PAGE, Delta, selected
from .exchange import DRAFT, WELL_KNOWN, Exchange, Place, received
from .script import Asked

MOST = 1000
_SIZE = re.compile(r"odata\.maxpagesize=(\d+)")
_RECEIVED = re.compile(r"receivedDateTime (ge|gt) ([0-9TZ:.-]+)")
_IDENTITY = re.compile(r"internetMessageId eq '((?:[^']|'')*)'")


@dataclass(slots=True)
class Mailbox:
    """One mailbox behind Graph; `sent` holds what left it, in order; `base` is the URL that links begin with."""

    user: str
    exchange: Exchange
    base: str = ""
    delta: Delta = field(init=False)
    sent: list[bytes] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        self.delta = Delta(self.exchange)

    def carry_out(self, asked: Asked) -> Answer:
        """The answer to a request."""
        operation: Callable[[Asked], Answer] = getattr(self, f"_{asked.name.lower()}")
        return operation(asked)

    # --- folders -----------------------------------------------------------------------------------------------------

    def _user(self, asked: Asked) -> Answer:
        return document({"id": "u-" + self.user, "userPrincipalName": self.user, "mail": self.user})

    def _folders(self, asked: Asked) -> Answer:
        parent = None
        if len(asked.path) > 1:
            parent = self.exchange.folder_named(asked.path[1])
            if parent is None:
                return item_not_found()
        names = self.exchange.children(parent)
        return self._collection(asked, [self.exchange.folder_json(name) for name in names])

    def _folder(self, asked: Asked) -> Answer:
        name = self.exchange.folder_named(asked.id)
        return item_not_found() if name is None else document(self._chosen(asked, self.exchange.folder_json(name)))

    # --- listings ----------------------------------------------------------------------------------------------------

    def _delta(self, asked: Asked) -> Answer:
        name = self.exchange.folder_named(asked.id)
        if name is None:
            return item_not_found()
        asks_size = _SIZE.search(asked.prefers)
        size = min(int(asks_size[1]), MOST) if asks_size else DEFAULT_PAGE
        token = asked.query.get("$skiptoken") or asked.query.get("$deltatoken")

        def link(kind: str, value: str) -> str:
            return f"{self.base}/v1.0/users/{self.user}/mailFolders/{asked.id}/messages/delta?{kind}={value}"

        if token is None:
            return document(self.delta.begin(name, asked.query.get("$select", ""), size, link, immutable=immutable(asked)))
        page = self.delta.go_on(token, name, size, link, immutable=immutable(asked))
        if page is None:
            return refused(
                410, "SyncStateNotFound", "The sync state generation is not found; a full synchronisation is required."
            )
        return document(page)

    def _list(self, asked: Asked) -> Answer:
        names: list[str] = [folder.name for folder in self.exchange.store]
        if asked.path[0] == "mailFolders":
            name = self.exchange.folder_named(asked.id)
            if name is None:
                return item_not_found()
            names = [name]
        found = [
            (message.internal_date, self.exchange.message_json(name, message, immutable=immutable(asked)))
            for name in names
            for message in self.exchange.messages(name)
            if _fits(asked.query.get("$filter", ""), message)
        ]
        found.sort(key=lambda pair: pair[0], reverse="asc" not in asked.query.get("$orderby", ""))
        return self._collection(asked, [value for _, value in found])

    def _collection(self, asked: Asked, values: list[dict[str, Any]]) -> Answer:
        """A page of it; the rest is had by `$skip`, as Graph's own links do it."""
        size = int(asked.query.get("$top", DEFAULT_PAGE))
        skip = int(asked.query.get("$skip", 0))
        answer: dict[str, Any] = {"value": [self._chosen(asked, one) for one in values[skip : skip + size]]}
        if skip + size < len(values):
            query = {**asked.query, "$skip": str(skip + size)}
            path = "/".join(("v1.0/users", self.user, *asked.path))
            answer["@odata.nextLink"] = f"{self.base}/{path}?{urlencode(query, quote_via=quote)}"
        return document(answer)

    # --- one message -------------------------------------------------------------------------------------------------

    def _message(self, asked: Asked) -> Answer:
        place = self.exchange.find(asked.id)
        return item_not_found() if place is None else document(self._chosen(asked, self._json(asked, place)))

    def _value(self, asked: Asked) -> Answer:
        place = self.exchange.find(asked.id)
        return item_not_found() if place is None else Answer(200, place.message.octets, "text/plain")

    def _patch(self, asked: Asked) -> Answer:
        place = self.exchange.find(asked.id)
        if place is None:
            return item_not_found()
        wanted = json.loads(asked.body)
        if "isRead" in wanted:
            flags = place.message.flags - {"\\Seen"} | ({"\\Seen"} if wanted["isRead"] else set())
            place.folder.set_flags(place.message.uid, flags)
        return document(self._json(asked, place))

    def _delete(self, asked: Asked) -> Answer:
        """Into Deleted Items; from there for good."""
        place = self.exchange.find(asked.id)
        if place is None:
            return item_not_found()
        deleted = self.exchange.store.create(WELL_KNOWN["deleteditems"])
        if place.folder is deleted:
            deleted.expunge([place.message.uid])
        else:
            self.exchange.move(place, deleted.name)
        return Answer(204)

    def _move(self, asked: Asked) -> Answer:
        place = self.exchange.find(asked.id)
        if place is None:
            return item_not_found()
        target = self.exchange.folder_named(str(parameters(asked.body).get("destinationid", "")))
        if target is None:
            return item_not_found()
        return document(self._json(asked, self.exchange.move(place, target)), 201)

    # --- sending -----------------------------------------------------------------------------------------------------

    def _create(self, asked: Asked) -> Answer:
        """A draft."""
        octets = self._composed(asked)
        if octets is None:
            return bad_request("The body is no message.")
        drafts = self.exchange.store.create(WELL_KNOWN["drafts"])
        message = self.exchange.store.deliver(drafts.name, octets, flags={DRAFT, "\\Seen"})
        return document(self._json(asked, Place(drafts, message)), 201)

    def _send(self, asked: Asked) -> Answer:
        """The draft leaves, and lies in Sent Items under its immutable id."""
        place = self.exchange.find(asked.id)
        if place is None:
            return item_not_found()
        if DRAFT not in place.message.flags:
            return refused(403, "ErrorAccessDenied", "The message is no draft.")
        place.folder.set_flags(place.message.uid, place.message.flags - {DRAFT})
        self.sent.append(place.message.octets)
        self.exchange.move(place, self.exchange.store.create(WELL_KNOWN["sentitems"]).name)
        return Answer(202)

    def _sendmail(self, asked: Asked) -> Answer:
        octets = self._composed(asked)
        if octets is None:
            return bad_request("The body is no message.")
        self.sent.append(octets)
        self.exchange.store.deliver(self.exchange.store.create(WELL_KNOWN["sentitems"]).name, octets, flags={"\\Seen"})
        return Answer(202)

    def _composed(self, asked: Asked) -> bytes | None:
        self.made += 1
        return composed(asked.headers.get("Content-Type", ""), asked.body, self.made)

    def _json(self, asked: Asked, place: Place) -> dict[str, Any]:
        return self.exchange.message_json(place.folder.name, place.message, immutable=immutable(asked))

    def _chosen(self, asked: Asked, value: dict[str, Any]) -> dict[str, Any]:
        return selected(value, asked.query.get("$select", ""))


def immutable(asked: Asked) -> bool:
    """Did the request ask for ids that outlast a move?"""
    return 'idtype="immutableid"' in asked.prefers.lower()


def _fits(wanted: str, message: Message) -> bool:
    """The two filters that anybody here uses."""
    if found := _RECEIVED.fullmatch(wanted):
        shown = received(message)
        return shown >= found[2] if found[1] == "ge" else shown > found[2]
    if found := _IDENTITY.fullmatch(wanted):
        return f"<{found[1].strip('<>')}>".encode() in message.octets
    return True
