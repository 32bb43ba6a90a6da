"""The console: what an operator looks at and does, as pages made by the server.

`Console` is given the daemon's verbs and facts and gives `routes()` for the guarded site (`admin/site.py`), the sign-in page
and the error pages. Pages work without a script; `static/console.js` keeps them fresh and saves steps. Every change goes
through the same verbs as the API. Nothing is loaded from anywhere else, no script or style is inline, and what strangers
wrote is escaped, or cleaned and framed.

    desk.py        what every page works with            rendering.py   templates, filters, static files
    overview.py    charts, trouble, what expires          sampler.py     the last half hour, in memory
    messages.py    the list, one message, its frame       held.py        quarantine and dead letters
    cases.py       the case book                          accounts.py    email accounts and their form
"""

from .console import Console

__all__ = ["Console"]
