"""Reads the templates that an account names, and says at once which cannot be used: at start, at a reload, and in `check`."""

from __future__ import annotations

from pathlib import Path

from ..config import Account, Config
from ..config.kept import KeptFile
from ..errors import Fault, PermanentFailure
from ..responder.templates import Source, TemplateFault, Templates, built_in, load

TEXT, HTML = "reply.template", "reply.html_template"


class Unreadable(TemplateFault):
    """The file is not there, or may not be read."""


def templates_of(account: Account) -> Templates:
    """Read, compiled and tried. Raises TemplateFault."""
    reply = account.reply
    text = built_in() if reply is None or reply.template is None else _read(TEXT, reply.template)
    html = None if reply is None or reply.html_template is None else _read(HTML, reply.html_template)
    return load(text, html)


def template_faults(config: Config) -> list[Fault]:
    """What is wrong with the accounts' templates. One that cannot be read is not among it: like a missing password it is its
    account's trouble, told by whoever loads the configuration.
    """
    faults = []
    for account in config.accounts:
        if account.reply is None:
            continue
        try:
            templates_of(account)
        except Unreadable:
            continue
        except TemplateFault as error:
            place = f"{error.file}: " if error.file else ""
            faults.append(Fault(f"accounts.{account.id}.{error.setting}", f"{place}{error.reason}"))
    return faults


def _read(setting: str, file: Path | KeptFile) -> Source:
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError:
        raise TemplateFault(setting, str(file), "is not UTF-8 text") from None
    except OSError as error:
        raise Unreadable(setting, str(file), f"cannot be read: {error.strerror or error}") from None
    except PermanentFailure as error:
        raise Unreadable(setting, str(file), error.reason) from None
    return Source(setting, str(file), text)
