"""`listener schema`: the configuration's JSON Schema, for editors; with a configuration, its own names are suggested."""

from __future__ import annotations

import argparse
import json

from ..config import Config, json_schema
from .settings import configuration


def schema(arguments: argparse.Namespace) -> int:
    """Raises ConfigurationError for a given configuration that has faults."""
    found = suggesting(configuration(arguments)) if arguments.config else json_schema()
    print(json.dumps(found, indent=None if arguments.json else 2, ensure_ascii=False))
    return 0


def suggesting(config: Config) -> dict[str, object]:
    """The schema, with the profiles and hooks of `config` as examples of what may stand where they are named."""
    found = json_schema()
    tables = found["$defs"]
    for table in ("Receiver", "Sender"):
        tables[table]["properties"]["oauth"]["examples"] = sorted(config.oauth)
    named = [*(f"webhook:{name}" for name in config.webhook), *(f"command:{name}" for name in config.command)]
    used = {hook for account in config.accounts for hook in account.hooks}
    tables["Account"]["properties"]["hooks"]["items"]["examples"] = sorted(used.union(named))
    return found
