"""A folder that holds files, a folder that stands for a volume, and what tells of all that is in them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from assets import disk

DATA = b"mail\n" * 500_000


class Place:
    """A folder that holds files, and a folder that stands for the volume they are copied onto."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "srv" / "mail"
        self.aside = root / "srv" / f"mail{disk.ASIDE}"
        self.volume = root / "volume"
        (self.volume / "lost+found").mkdir(parents=True)
        (self.path / "a folder" / "deep").mkdir(parents=True)
        (self.path / "a folder" / "deep" / "vmail").write_bytes(DATA)
        (self.path / "empty").mkdir(mode=0o750)
        (self.path / ".hidden").write_text("x")
        (self.path / "link").symlink_to("a folder/deep/vmail")
        (self.path / "nowhere").symlink_to("/no/such/file")
        os.link(self.path / ".hidden", self.path / "twin")
        os.mkfifo(self.path / "pipe")
        os.setxattr(self.path / ".hidden", "user.mail", b"seen")
        os.setxattr(self.path, "user.top", b"folder")
        os.utime(self.path / ".hidden", ns=(1, 10**18 + 123))
        self.path.chmod(0o2750)
        os.utime(self.path, ns=(5 * 10**17, 6 * 10**17 + 7))

    def copy(self) -> str:
        """Copy as `copy_in` does once the volume is mounted."""
        volume, parent = os.open(self.volume, disk.FOLDER), os.open(self.path.parent, disk.FOLDER)
        try:
            return disk.copy_folder(volume, parent, str(self.path))
        finally:
            os.close(volume)
            os.close(parent)


def told(top: Path) -> dict[str, tuple[object, ...]]:
    """All of a tree but what is in the name of disk.py, its top folder with it: told by other means than the tool's."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [top, *sorted(top.rglob("*"))]:
        name = str(path.relative_to(top))
        if name.split("/")[0] in disk.OURS:
            continue
        state = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(state.st_mode) else b""
        target = os.readlink(path) if path.is_symlink() else ""
        marks = {key: os.getxattr(path, key) for key in os.listxattr(path)} if not path.is_symlink() else {}
        found[name] = (state.st_mode, state.st_uid, state.st_gid, state.st_mtime_ns, target, marks, content)
    return found


def done(place: Place, before: dict[str, tuple[object, ...]]) -> None:
    """The volume has all, the original folder is kept, and an empty one like it is in its place."""
    top = told(place.volume)["."]
    # the volume's own names came and went since
    assert told(place.volume) == {**before, ".": (*before["."][:3], top[3], *before["."][4:])}
    assert told(place.aside) == before
    assert told(place.path) == {".": before["."]}
    assert sorted(os.listdir(place.volume)) == sorted({*os.listdir(place.aside), "lost+found"})
