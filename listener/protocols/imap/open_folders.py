"""Which folder is open, how far each was listed in this session, and which cannot be opened at the moment.

Shared by the mailbox and its waiting. A folder that cannot be opened is parked (R-25): it is asked for again after
`probe_seconds` and no trouble for the others. `points` has the folders that were listed to their end, `stale` those that
must be opened anew before they are listed again.
"""

from __future__ import annotations

import asyncio

from ...errors import FolderMissing
from ...mailbox import Folder
from . import folders
from .session import Session
from .state import Point
from .told import Selected


class OpenFolders:
    """For one session."""

    def __init__(self, session: Session, *, read_only: bool, probe_seconds: float) -> None:
        self.session = session
        self.points: dict[Folder, Point] = {}
        self.stale: set[Folder] = set()
        self._read_only = read_only
        self._probe_seconds = probe_seconds
        self._parked: dict[Folder, tuple[float, FolderMissing]] = {}

    def is_open(self, folder: Folder, point: Point) -> bool:
        """Whether this folder is the open one, under the numbering of `point`."""
        selected = self.session.selected
        return selected is not None and selected.name == folder and selected.validity == point.validity

    async def open(self, folder: Folder, *, anew: bool = False) -> Selected:
        """Have the folder open; `anew`: as it is now. Raises FolderMissing, without asking the server again too soon."""
        selected = self.session.selected
        if selected and selected.name == folder and not anew:
            return selected
        self._refuse_parked(folder)
        try:
            selected = await folders.open_folder(self.session, folder, read_only=self._read_only)
        except FolderMissing as error:
            raise self.park(error) from None
        self._parked.pop(folder, None)
        self.stale.discard(folder)
        return selected

    async def unchanged(self, folder: Folder, point: Point) -> bool:
        """Whether a folder that is not open is as it was left, by STATUS. Raises FolderMissing."""
        self._refuse_parked(folder)
        try:
            items = await folders.folder_status(self.session, folder)
        except FolderMissing as error:
            raise self.park(error) from None
        return (items.get("UIDVALIDITY"), items.get("UIDNEXT")) == (point.validity, point.next_uid)

    def park(self, error: FolderMissing) -> FolderMissing:
        """Leave its folder alone for a while."""
        folder = Folder(error.folder)
        self._parked[folder] = (asyncio.get_running_loop().time() + self._probe_seconds, error)
        self.points.pop(folder, None)
        return error

    def _refuse_parked(self, folder: Folder) -> None:
        until, error = self._parked.get(folder, (0.0, None))
        if error and asyncio.get_running_loop().time() < until:
            raise error.with_traceback(None)
