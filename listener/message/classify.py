"""What kind of mail this is, and whether a program wrote it or must not be answered.

Called by `understand` once the bounce is read. Every rule of `classify_rules.RULES` that may hold is asked, and the names of
those that do are kept: `listener explain` shows them. Nothing here answers mail; `responder` adds what does not stand in the
message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from . import bounce as bounces
from .classify_rules import asked, gather
from .model import Address, Automatic, Bounce, Kind
from .structure import Part

_BY_A_PERSON: Final = Automatic()


def classify(root: Part, bounce: Bounce | None, from_: Sequence[Address]) -> tuple[Kind, Automatic]:
    """The kind and the two verdicts. Linear in the number of fields and parts; never raises."""
    evidence = gather(root, bounce, bounce is not None and bounces.is_delayed(bounce), from_)
    held = [rule for rule in asked(evidence) if rule.test(evidence)]
    if not held:
        return Kind.MESSAGE, _BY_A_PERSON
    kind = next((rule.kind for rule in held if rule.kind), Kind.MESSAGE)
    automatic = Automatic(
        is_machine=any(rule.machine for rule in held),
        suppress_reply=any(rule.silent for rule in held),
        rules=tuple(rule.name for rule in held),
    )
    return kind, automatic
