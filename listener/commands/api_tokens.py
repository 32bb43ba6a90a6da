"""`listener tokens`: who may use the API; made, listed, taken back. A token is printed when it is made, and kept nowhere."""

from __future__ import annotations

import argparse
import sys

from .asking import _call as call
from .asking import _printer as printer
from .control import CommandFailed
from .printing import harmless

TOKENS = ("name", "scope", "created_at", "id")


def create(arguments: argparse.Namespace) -> int:
    """`listener tokens create NAME [--read-only]`: the token alone goes to standard output."""
    said = printer(arguments)
    with call(arguments) as ask:
        made = ask("create_token", name=arguments.name, scope="read" if arguments.read_only else "full")
    if arguments.json:
        said.json(made)
        return 0
    what = "may only read" if arguments.read_only else "may do everything"
    print(f"listener: the token {harmless(made['name'])} {what}; it is shown here and never again", file=sys.stderr)
    said.line(made["token"])
    return 0


def show(arguments: argparse.Namespace) -> int:
    """`listener tokens list`."""
    with call(arguments) as ask:
        printer(arguments).rows(ask("tokens"), TOKENS, empty="no tokens but the configured one")
    return 0


def revoke(arguments: argparse.Namespace) -> int:
    """`listener tokens revoke NAME…`: every one is tried; exit 1 when any could not."""
    said, failed = printer(arguments), False
    with call(arguments) as ask:
        for name in arguments.names:
            try:
                answer = ask("revoke_token", name=name)
            except CommandFailed as error:
                failed = True
                print(f"listener: {harmless(error)}", file=sys.stderr)
                continue
            if arguments.json:
                said.json(answer)
            else:
                said.line(f"{answer['name']}: revoked")
    return 1 if failed else 0
