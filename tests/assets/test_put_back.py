"""assets/put_back.sh: a file that is ours gets the version before, any other stays; the command is run in any case."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

import assets

PROGRAM = Path(assets.__file__).parent / "put_back.sh"


def total(text: str | None) -> str:
    return "-" if text is None else hashlib.sha256(text.encode()).hexdigest()


def put_back(folder: Path, now: str | None, previous: str | None, before: str | None) -> int:
    """Run it where the change has left "new"; returns its status."""
    for name, text in (("file", now), ("file.previous", previous), ("file.cowhand-candidate", "candidate")):
        if text is not None:
            (folder / name).write_text(text)
            (folder / name).chmod(0o640)
    words = ["sh", PROGRAM, folder / "file", total(before), total("new"), "--", "touch", folder / "told"]
    status = subprocess.run(words, check=False, capture_output=True).returncode
    assert (folder / "told").exists(), "what reads the file is told in any case"
    assert not (folder / "file.cowhand-candidate").exists()
    return status


def there(folder: Path) -> str | None:
    return (folder / "file").read_text() if (folder / "file").exists() else None


@pytest.mark.parametrize(
    ("now", "previous", "before", "status", "then"),
    [
        ("new", "old", "old", 0, "old"),
        ("old", None, "old", 0, "old"),
        ("new", "new", None, 0, None),
        (None, None, None, 0, None),
        ("mine", "old", "old", 3, "mine"),
        ("new", "older", "old", 3, "new"),
        ("new", None, "old", 3, "new"),
        (None, "old", "old", 3, None),
    ],
)
def test_only_what_the_change_left_is_taken_back(
    tmp_path: Path, now: str | None, previous: str | None, before: str | None, status: int, then: str | None
) -> None:
    assert put_back(tmp_path, now, previous, before) == status
    assert there(tmp_path) == then
    assert put_back(tmp_path, None, None, before) in (0, 3), "it stands being run again"
    assert there(tmp_path) == then
    if then == "old":
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
