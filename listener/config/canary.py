"""The settings of `[accounts.canary]`: mail that an account sends to itself, to see whether it arrives."""

from __future__ import annotations

from .values import Duration, Table, setting


class Canary(Table):
    """A probe mail that the account sends to its own address; needs `[accounts.sender]`. Off unless this table is there."""

    every: Duration = setting("15m", "How often one is sent.", ge=60, le=86_400)
    late_after: Duration = setting("5m", "How long one may take until it is an alert (`canary`).", ge=10, le=86_400)
