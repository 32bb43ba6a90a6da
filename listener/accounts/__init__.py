"""Email accounts and authentication profiles that people make in the console, beside those of the files.

`AccountBook` keeps them in the ledger and merges them with the files into one configuration, checked by the same code.
`Trials` tests and previews an account that is not saved yet; `Consents` has a person consent in the browser. All three take
and give JSON-like settings: the keys of `[[accounts]]`, with secrets given themselves and never given back.
"""

from __future__ import annotations

from .book import AccountBook, Steering
from .consents import Consents
from .drafts import Draft
from .merging import Merged
from .trials import Trials

__all__ = ["AccountBook", "Consents", "Draft", "Merged", "Steering", "Trials"]
