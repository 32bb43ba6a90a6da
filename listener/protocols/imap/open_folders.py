"""Which folder is open, how far each was listed in this session, and which cannot be opened at the moment.

Shared by the mailbox and its waiting. A folder that cannot be opened is parked (R-25): it is asked for again after
`probe_seconds` and no trouble for the others. `points` has the folders that were listed to their end, `stale` those that
must be opened anew before they are listed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ...errors import FolderMissing
from ...mailbox import Folder, SyncState
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

    def fresh(self, folder: Folder, text: SyncState | None) -> Point | None:
        """How far this session listed the folder, where `text` says the same and nothing asks to open it anew."""
        point = self.points.get(folder)
        return point if point and point.text == text and folder not in self.stale else None

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

    async def changed(self, wanted: Iterable[Folder]) -> set[Folder]:
        """Those of the folders, not open and listed before, that are not as they were left, by STATUS, or cannot be asked."""
        known = {folder: self.points[folder] for folder in wanted if folder in self.points}
        if not known:
            return set()
        told = await folders.statuses(self.session, list(known))
        return {folder for folder, point in known.items() if not _same(told[folder], point)}

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


def _same(told: dict[str, int] | FolderMissing, point: Point) -> bool:
    return isinstance(told, dict) and (told.get("UIDVALIDITY"), told.get("UIDNEXT")) == (point.validity, point.next_uid)
