"""Until there may be new mail (`Mailbox.wait`): IDLE on the first folder, STATUS of the others, and no trust in either.

Rules of the file
1. IDLE is only a hint. Before each IDLE the folder is searched for UIDs beyond the point reached; a hint ends the wait, and
   the listing that follows searches again.
2. At least every SAFETY_SECONDS the folder is to be opened anew, which also notices that it was renamed, deleted or renumbered.
3. IDLE is renewed every `renewal` seconds, so that a connection that died silently is noticed (R-21).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ...errors import FolderMissing
from ...mailbox import Folder
from . import folders
from .open_folders import OpenFolders
from .state import Point

SAFETY_SECONDS = 300.0
"""However well IDLE seems to work, the folder is opened anew so often."""
LOOKS = 3
"""A server may tell of new mail in the tail of the very answer that did not find it: look again, but not for ever."""
PAUSE_SECONDS = 5.0
"""After LOOKS hints in a row that led to nothing, so that a server that always hints does not keep us busy."""


class Waiter:
    """For one session. `watched` in the order of the settings; `poll` and `renewal` in seconds."""

    def __init__(self, open_folders: OpenFolders, watched: Sequence[Folder], *, poll: float, renewal: float) -> None:
        self.session = open_folders.session
        self.open_folders = open_folders
        self.watched = watched
        self.poll = poll
        self.renewal = renewal
        self._woken_at: Point | None = None
        self._fruitless = 0

    async def wait(self) -> None:
        """Returns when a listing may find something, or should look. Raises what ends the session."""
        folder = next((folder for folder in self.watched if folder in self.open_folders.points), None)
        if folder is None:  # none of them can be opened at the moment
            await self.session.listen(self.poll)
            return
        others = [other for other in self.watched if other != folder]
        loop = asyncio.get_running_loop()
        safety, poll = loop.time() + SAFETY_SECONDS, loop.time() + self.poll
        await self._pause(self.open_folders.points[folder])
        while not await self._has_news(folder):
            if await self._sleep(min(safety, poll) if others else safety):
                self._woken_at = self.open_folders.points[folder]
                return
            if loop.time() >= safety:
                self.open_folders.stale.add(folder)
                return
            if loop.time() >= poll:
                if await self._others_have_news(others):
                    return
                poll = loop.time() + self.poll

    async def _pause(self, point: Point) -> None:
        """Where hint after hint led to nothing, take the next one slowly."""
        self._fruitless = self._fruitless + 1 if point == self._woken_at else 0
        self._woken_at = None
        if self._fruitless >= LOOKS:
            await asyncio.sleep(PAUSE_SECONDS)

    async def _sleep(self, until: float) -> bool:
        """Until something may be new (True), until then, or until IDLE must be renewed."""
        seconds = max(until - asyncio.get_running_loop().time(), 0.0)
        if self.session.offers("IDLE"):
            return await self.session.idle(min(seconds, self.renewal))
        return await self.session.listen(min(seconds, self.poll))

    async def _has_news(self, folder: Folder) -> bool:
        """Whether there is mail beyond the point reached, or the folder must be listed anew."""
        point = self.open_folders.points[folder]
        for _ in range(LOOKS):
            try:
                await self.open_folders.open(folder)
            except FolderMissing:
                return True
            if not self.open_folders.is_open(folder, point):
                self.open_folders.stale.add(folder)
                return True
            if await folders.from_uid(self.session, point.next_uid, look_again=True):
                return True
            if not self.session.hinted:
                return False
        return False

    async def _others_have_news(self, others: Sequence[Folder]) -> bool:
        """Also when one of them is to be asked for again because it could not be opened."""
        if any(folder not in self.open_folders.points for folder in others):
            return True
        return bool(await self.open_folders.changed(others))
