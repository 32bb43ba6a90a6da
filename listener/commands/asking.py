"""The commands that ask or tell the ledger something: lists, `case`, `explain`, `retry`, `export`, `pause`, `backup` and so on.

Each asks the running daemon, or the ledger itself where none runs, by the same verbs, and prints the answer.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from ..cases.words import LINKS, in_words
from ..config import Config
from .control import Call, CommandFailed, verbs
from .printing import Printer, harmless
from .settings import configuration

ACCOUNTS = ("id", "source", "protocol", "state", "since", "last_success", "lag_messages", "last_error")
MESSAGES = ("id", "account", "state", "received_at", "from", "subject", "case", "reason")
CASES = ("id", "account", "status", "messages", "requester", "subject", "reference", "updated_at")
ENTRIES = ("id", "state", "received_at", "from", "subject", "standing", "reason")
LINKED = ("link", "case", "status", "subject", "why")
MESSAGE_FACTS = (
    *("id", "account", "folder", "unique_id", "size", "state", "reason", "kind"),
    *("received_at", "from", "subject", "message_id", "case"),
)
EVENTS = ("at", "kind", "detail")
REPLIES = ("id", "account", "purpose", "entry", "case", "recipient", "state", "reason", "created_at", "sent_at")
MUTED = ("address", "reason", "entry", "muted_at")
DELIVERIES = ("hook", "state", "attempts", "due_at", "reason", "answer")


def accounts(arguments: argparse.Namespace) -> int:
    """`listener accounts [export ACCOUNT]`."""
    if arguments.export and arguments.account is None:
        raise CommandFailed("which account? listener accounts export ACCOUNT")
    with _call(arguments) as call:
        if arguments.export:
            found = call("export_account", account=arguments.account)
            _printer(arguments).json(found) if arguments.json else print(found["toml"], end="")
            return 0
        rows = _every_page(call, "accounts")
    _printer(arguments).rows(rows, ACCOUNTS, empty="no accounts are configured")
    return 0


def _every_page(call: Call, verb: str) -> list[dict[str, Any]]:
    """All rows, however many pages they are."""
    page = call(verb)
    rows = list(page)
    while (cursor := getattr(page, "next", None)) is not None:
        page = call(verb, cursor=cursor)
        rows.extend(page)
    return rows


def messages(arguments: argparse.Namespace) -> int:
    """`listener messages`."""
    with _call(arguments) as call:
        asked = {"state": arguments.state, "account": arguments.account, "limit": arguments.limit}
        _printer(arguments).rows(call("messages", **asked), MESSAGES, empty="no messages")
    return 0


def cases(arguments: argparse.Namespace) -> int:
    """`listener cases`."""
    with _call(arguments) as call:
        rows = call("cases", account=arguments.account, status=arguments.status, limit=arguments.limit)
        _printer(arguments).rows(rows, CASES, empty="no cases")
    return 0


def case(arguments: argparse.Namespace) -> int:
    """`listener case ID`."""
    printer = _printer(arguments)
    with _call(arguments) as call:
        found = call("case", case=arguments.case)
    if arguments.json:
        printer.json(found)
        return 0
    printer.facts(found, (*CASES, "participants", "references", "notes"))
    printer.line("")
    printer.rows(map(_in_case, found.get("entries", ())), ENTRIES, empty="no messages")
    if found.get("related"):
        printer.line("")
        printer.rows(map(_link, found["related"]), LINKED, empty="")
    return 0


def replies(arguments: argparse.Namespace) -> int:
    """`listener replies`."""
    with _call(arguments) as call:
        asked = {"state": arguments.state, "account": arguments.account, "limit": arguments.limit}
        _printer(arguments).rows(call("replies", **asked), REPLIES, empty="no replies")
    return 0


def muted(arguments: argparse.Namespace) -> int:
    """`listener muted`."""
    with _call(arguments) as call:
        _printer(arguments).rows(call("muted", limit=arguments.limit), MUTED, empty="no address is muted")
    return 0


def explain(arguments: argparse.Namespace) -> int:
    """`listener explain ENTRY`."""
    printer = _printer(arguments)
    with _call(arguments) as call:
        history = call("explain", entry=arguments.entry)
    if arguments.json:
        printer.json(history)
        return 0
    printer.facts(history, MESSAGE_FACTS)
    printer.line("")
    printer.rows(map(_event, history["events"]), EVENTS, empty="nothing happened to it yet")
    if history["deliveries"]:
        printer.line("")
        printer.rows(history["deliveries"], DELIVERIES, empty="")
    if history["replies"]:
        printer.line("")
        printer.rows(history["replies"], ("purpose", "recipient", "state", "reason", "attempts"), empty="")
    return 0


def _in_case(row: Mapping[str, Any]) -> dict[str, Any]:
    """A message of a case for people: what is odd about it stands out."""
    return dict(row) | {"standing": "unverified comment" if row.get("unverified") else "note" if row.get("note") else ""}


def _link(row: Mapping[str, Any]) -> dict[str, Any]:
    kind = (
        "possibly related" if row["kind"] == "related" else "follows up" if row["direction"] == "earlier" else "followed up by"
    )
    return dict(row) | {"link": kind, "why": LINKS.get(row["why"], row["why"])}


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event for people: when, what, and the rest in words or as `name=value`."""
    if event["kind"] == "message.filed" and "rule" in event:
        return {"at": event["at"], "kind": event["kind"], "detail": in_words(event)}
    rest = {name: value for name, value in event.items() if name not in {"at", "kind"} and value not in (None, "", [], {})}
    return {"at": event["at"], "kind": event["kind"], "detail": " ".join(f"{name}={value}" for name, value in rest.items())}


def change(arguments: argparse.Namespace) -> int:
    """`listener retry | release | pause | resume ID…`: every one is tried; exit 1 when any could not."""
    printer = _printer(arguments)
    failed = False
    with _call(arguments) as call:
        for each in arguments.ids:
            try:
                answer = call(arguments.verb, **{arguments.argument: each})
            except CommandFailed as error:
                failed = True
                print(f"listener: {harmless(error)}", file=sys.stderr)
                continue
            if arguments.json:
                printer.json(answer)
            else:
                printer.line(_changed(answer))
    return 1 if failed else 0


def release(arguments: argparse.Namespace) -> int:
    """`listener release ENTRY… | --reason R --account A --sender S | --all`."""
    wanted = {name: getattr(arguments, name) for name in ("reason", "account", "sender")}
    chosen = arguments.all or any(value is not None for value in wanted.values())
    if bool(arguments.ids) == chosen:
        raise CommandFailed("name messages, or say which by --reason, --account and --sender (or --all), and not both")
    return _release_all(arguments, wanted) if chosen else change(arguments)


def _release_all(arguments: argparse.Namespace, wanted: Mapping[str, str | None]) -> int:
    """Step by step, so that a large quarantine blocks nobody; the count so far on standard error where a person looks on."""
    printer, released, after = _printer(arguments), 0, 0
    watched = sys.stderr.isatty()
    with _call(arguments) as call:
        while after is not None:
            step = call("release_some", after=after, **wanted)
            released, after = released + step["released"], step["after"]
            if watched:
                print(f"\r{released} released", end="", file=sys.stderr, flush=True)
    if watched:
        print(file=sys.stderr)
    if arguments.json:
        printer.json({"released": released})
    else:
        printer.line(f"{released} released")
    return 0


def _changed(answer: Mapping[str, Any]) -> str:
    if "paused" in answer:
        return f"{answer['id']}: {'paused' if answer['paused'] else 'resumed'}"
    if "muted" in answer:
        return f"{answer['address']}: may get automatic mail again"
    return f"{answer['id']}: {answer['state'] if 'state' in answer else answer['status']}"


def trace(arguments: argparse.Namespace) -> int:
    """`listener trace ACCOUNT`: what is said to its server goes into the daemon's log for a while."""
    printer = _printer(arguments)
    with _call(arguments) as call:
        answer = call("trace", account=arguments.account, seconds=0 if arguments.off else round(arguments.seconds))
    if arguments.json:
        printer.json(answer)
    elif answer["seconds"]:
        printer.line(f"{answer['id']}: what is said goes into the daemon's log for {answer['seconds']} s")
    else:
        printer.line(f"{answer['id']}: no longer shown")
    return 0


def export(arguments: argparse.Namespace) -> int:
    """`listener export ENTRY`: the octets as they came, to standard output."""
    with _call(arguments) as call:
        octets = call("export", entry=arguments.entry)
    sys.stdout.buffer.write(octets)
    sys.stdout.buffer.flush()
    return 0


def rotate_key(arguments: argparse.Namespace) -> int:
    """`listener rotate-key`: exit 1 when there are secrets that none of the keys opens."""
    printer = _printer(arguments)
    with _call(arguments) as call:
        answer = call("rotate_key")
    if arguments.json:
        printer.json(answer)
        return 1 if answer["unreadable"] else 0
    printer.line(f"{answer['sealed']} secrets are sealed with the present key")
    if answer["former_key"]:
        printer.line(f"the former key is kept as {answer['former_key']}; it still verifies tokens in mail that it signed")
    for name in answer["unreadable"]:
        print(f"listener: {harmless(name)} cannot be opened with any of the keys; it was left as it is", file=sys.stderr)
    return 1 if answer["unreadable"] else 0


def backup(arguments: argparse.Namespace) -> int:
    """`listener backup FILE`."""
    printer = _printer(arguments)
    with _call(arguments) as call:
        answer = call("backup", file=os.path.abspath(arguments.file))
    if arguments.json:
        printer.json(answer)
    else:
        printer.line(f"the ledger is copied to {answer['file']}")
    return 0


def _printer(arguments: argparse.Namespace) -> Printer:
    return Printer(as_json=arguments.json)


@contextmanager
def _call(arguments: argparse.Namespace) -> Iterator[Call]:
    config = configuration(arguments)
    with verbs(config.listener.state_dir, lambda: _local(config)) as call:
        yield call


@asynccontextmanager
async def _local(config: Config) -> AsyncIterator[Any]:
    """The verbs over the ledger, under its lock."""
    from ..admin.verbs import Ledgerwise, Verbs
    from ..ledger import Ledger
    from .standing import desk_of

    ledger = await Ledger.open(config.listener.state_dir, expect_state=config.listener.expect_state)
    try:
        desk = await desk_of(config, ledger)
        protocols = {account.id: account.receiver.protocol.value for account in desk.config().accounts}
        yield Verbs(ledger, Ledgerwise(ledger, protocols, config.listener), accounts_desk=desk)
    finally:
        await ledger.close()
