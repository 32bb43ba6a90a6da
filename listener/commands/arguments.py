"""The command line's words: every command, its options and its help, and which function runs it.

Imports nothing heavy, so that `--version`, `--help` and `health` start fast; each command's module is imported when it runs.
docs/commands.md describes the same commands for people; a test holds it to this table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn, TypeAlias

Run = Callable[[argparse.Namespace], int]
_Commands: TypeAlias = "argparse._SubParsersAction[_Parser]"
CONFIG = "the configuration; else $LISTENER_CONFIG, listener.toml here, /etc/listener/listener.toml"
PARSE_CONFIG = "read them as an account of this configuration would: whose verdicts it trusts, its reply markers; else nobody's"
STATES = ("accepted", "filed", "done", "ignored", "quarantined", "dead")
REPLY_STATES = ("ready", "suppressed", "sending", "sent", "deferred", "failed", "unknown")


class _Parser(argparse.ArgumentParser):
    """Usage errors are configuration errors (exit 78), and say so in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(78, f"listener: {message} (see {self.prog} --help)\n")


class _Version(argparse.Action):
    """Name and version, and what it runs on; asked only when it is wanted, because asking imports much."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from ..admin.versions import in_words

        print(in_words())
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The whole command line. `parse_args(...).run(arguments)` runs it."""
    top = _Parser(prog="listener", description="Turns mailboxes into cases, and loses nothing on the way.")
    top.add_argument("--version", action=_Version, nargs=0, help="print which versions run, and end")
    top.add_argument("--config", metavar="FILE", help=f"{CONFIG}; may stand after the command, too")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _daemon(commands)
    _lists(commands)
    _messages(commands)
    _accounts(commands)
    _tokens(commands)
    return top


def _daemon(commands: _Commands) -> None:
    _command(commands, "run", "run:run", "run the daemon", json="log JSON lines also on a terminal")
    demo = _command(
        commands, "demo", "daemon:demo", "watch sample mail become cases, on an embedded server", config=None, json=None
    )
    demo.add_argument("--seconds", type=_positive, metavar="N", help="end by itself after N seconds")
    check = _command(commands, "check", "check:check", "every fault of the configuration, then each account's connection")
    check.add_argument("account", nargs="*", metavar="ACCOUNT", help="only these accounts")
    check.add_argument("--offline", action="store_true", help="the configuration only; connect to nothing")
    said = "which messages would be processed, and how; changes nothing"
    preview = _command(commands, "preview", "preview:preview", said)
    preview.add_argument("account", metavar="ACCOUNT")
    preview.add_argument(
        "--since", type=_moment, metavar="DATE", help="what was received from then on, or all; else what comes next"
    )
    preview.add_argument("--limit", type=_positive, default=20, metavar="N", help="at most N (20)")
    said = "parse messages and print one JSON object a line"
    parse = _command(commands, "parse", "parse:parse", said, json="the default, and the only way", config=PARSE_CONFIG)
    parse.add_argument("--account", metavar="ACCOUNT", help="whose trust and reply markers, where there are several accounts")
    parse.add_argument("path", nargs="+", metavar="PATH", help="a file, a folder, or - for standard input")
    parse.add_argument("--attachments", metavar="DIR", help="write attachments into this folder, named by content hash")
    health = _command(commands, "health", "health:health", "exit 0 if the daemon is well, else 1")
    which = health.add_mutually_exclusive_group(required=True)
    which.add_argument("--live", dest="probe", action="store_const", const="livez", help="does it make progress?")
    which.add_argument("--ready", dest="probe", action="store_const", const="readyz", help="can it take mail?")
    said = "the configuration's JSON Schema"
    _command(commands, "schema", "schema:schema", said, json="on one line", config="suggest the names that this one has")


def _lists(commands: _Commands) -> None:
    accounts = _command(commands, "accounts", "asking:accounts", "every account with its progress")
    accounts.add_argument("export", nargs="?", choices=("export",), help="print one of the console as TOML, without secrets")
    accounts.add_argument("account", nargs="?", metavar="ACCOUNT", help="which one")
    messages = _command(commands, "messages", "asking:messages", "messages, newest first")
    messages.add_argument("--state", choices=STATES, metavar="STATE", help=f"one of {', '.join(STATES)}")
    _paging(messages, "--account", "--limit")
    cases = _command(commands, "cases", "asking:cases", "cases, newest first")
    cases.add_argument("--status", choices=("open", "closed"), help="only these")
    _paging(cases, "--account", "--limit")
    said = "outgoing mail, newest first: sent, waiting, or suppressed and why"
    replies = _command(commands, "replies", "asking:replies", said)
    replies.add_argument("--state", choices=REPLY_STATES, metavar="STATE", help=f"one of {', '.join(REPLY_STATES)}")
    _paging(replies, "--account", "--limit")
    muted = _command(commands, "muted", "asking:muted", "addresses that get no automatic mail, because ours came back")
    muted.add_argument("--limit", type=_positive, default=50, metavar="N", help="at most N (50)")
    unmute = _command(commands, "unmute", "asking:change", "let addresses get automatic mail again")
    unmute.add_argument("ids", nargs="+", metavar="ADDRESS")
    unmute.set_defaults(verb="unmute", argument="address")
    case = _command(commands, "case", "asking:case", "one case with its messages in order")
    case.add_argument("case", metavar="ID")


def _messages(commands: _Commands) -> None:
    explain = _command(commands, "explain", "asking:explain", "the whole history of one message")
    explain.add_argument("entry", metavar="ENTRY")
    retry = _command(commands, "retry", "asking:change", "run dead messages again")
    retry.add_argument("ids", nargs="+", metavar="ENTRY")
    retry.set_defaults(verb="retry", argument="entry")
    release = _command(commands, "release", "asking:release", "let quarantined messages through: these, or all that fit")
    release.add_argument("ids", nargs="*", metavar="ENTRY")
    release.set_defaults(verb="release", argument="entry")
    release.add_argument("--reason", metavar="REASON", help="all held for this reason, such as flood or rule")
    release.add_argument("--account", metavar="ACCOUNT", help="all of this account")
    release.add_argument("--sender", metavar="SENDER", help="all of this sender: an address, a domain, or a pattern with *")
    release.add_argument("--all", action="store_true", help="everything in quarantine")
    export = _command(commands, "export", "asking:export", "one message's raw octets", json=None)
    export.add_argument("entry", metavar="ENTRY")


def _accounts(commands: _Commands) -> None:
    pause = _command(commands, "pause", "asking:change", "stop fetching accounts, also after a restart")
    resume = _command(commands, "resume", "asking:change", "fetch accounts again, at once")
    for command, verb in ((pause, "pause"), (resume, "resume")):
        command.add_argument("ids", nargs="+", metavar="ACCOUNT")
        command.set_defaults(verb=verb, argument="account")
    trace = _command(commands, "trace", "asking:trace", "log what is said to an account's server for a while, secrets left out")
    trace.add_argument("account", metavar="ACCOUNT")
    how = trace.add_mutually_exclusive_group()
    how.add_argument("--for", dest="seconds", type=_duration, default=600.0, metavar="TIME", help="such as 30s, 10m (10m), 24h")
    how.add_argument("--off", action="store_true", help="end it now")
    close = _command(commands, "close", "asking:change", "close cases; mail for them does what the account's settings say")
    reopen = _command(commands, "reopen", "asking:change", "open closed cases again")
    for command, verb in ((close, "close_case"), (reopen, "reopen_case")):
        command.add_argument("ids", nargs="+", metavar="CASE")
        command.set_defaults(verb=verb, argument="case")
    _command(commands, "rotate-key", "asking:rotate_key", "seal every stored secret anew with a new key")
    backup = _command(commands, "backup", "asking:backup", "copy the ledger to a new file while it is in use")
    backup.add_argument("file", metavar="FILE")


def _tokens(commands: _Commands) -> None:
    said = "who may use the API and the console"
    what = commands.add_parser("tokens", help=said, description=said[0].upper() + said[1:] + ".")
    what.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help=CONFIG)
    each = what.add_subparsers(metavar="WHAT", required=True)
    create = _command(each, "create", "api_tokens:create", "make a token and print it once")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--read-only", action="store_true", help="it may look at everything and change nothing")
    _command(each, "list", "api_tokens:show", "every valid token, without itself")
    revoke = _command(each, "revoke", "api_tokens:revoke", "make tokens invalid, at once")
    revoke.add_argument("names", nargs="+", metavar="NAME")


def _paging(command: argparse.ArgumentParser, account: str, limit: str) -> None:
    command.add_argument(account, metavar="ACCOUNT", help="only this account")
    command.add_argument(limit, type=_positive, default=50, metavar="N", help="at most N (50)")


def _command(
    commands: _Commands,
    name: str,
    runs: str,
    help: str,
    *,
    config: str | None = CONFIG,
    json: str | None = "one JSON object a line",
) -> argparse.ArgumentParser:
    """`config`, `json`: what these options do; None: there is no such option."""
    command = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
    command.set_defaults(run=_lazy(runs) if config else _without_configuration(command, _lazy(runs)))
    # Without a default of its own, so that one given before the command stays.
    command.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help=config or argparse.SUPPRESS)
    if json:
        command.add_argument("--json", action="store_true", help=json)
    return command


def _lazy(runs: str) -> Run:
    module, _, function = runs.partition(":")

    def run(arguments: argparse.Namespace) -> int:
        found: Run = getattr(import_module(f".{module}", __package__), function)
        return found(arguments)

    return run


def _without_configuration(command: argparse.ArgumentParser, runs: Run) -> Run:
    """Nothing is read and then ignored."""

    def run(arguments: argparse.Namespace) -> int:
        if arguments.config:
            command.error("this command has a configuration of its own: leave --config away")
        return runs(arguments)

    return run


def _moment(text: str) -> float:
    from ..config.values import start_time

    try:
        found = start_time(text if text == "all" else f"since:{text}")
    except ValueError:
        found = None
    if found is None:
        raise argparse.ArgumentTypeError(f"not a date such as 2026-01-31, nor all: {text[:40]!r}")
    return found


def _duration(text: str) -> float:
    from ..config.values import seconds

    try:
        return seconds(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a time such as 30s or 10m: {text[:40]!r}") from None


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:12]) <= 10**9:
        raise argparse.ArgumentTypeError(f"not a number from 1 up: {text[:40]!r}")
    return int(text)
