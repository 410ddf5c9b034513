"""Where the state of a folder of *.tf is: in a local file, which is read, or where only OpenTofu gets it from."""

from __future__ import annotations

import os
import posixpath
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from console.errors import InputError
from console.estate import text_file
from console.hosts.programs import program

if TYPE_CHECKING:
    from console.estate.load import Estate
    from console.sources.opentofu.files import Tofu

MOST = 4
"""Most folders whose state is read."""


class Place(Struct, frozen=True):
    """A folder, and its state: the local file, or the backend that keeps it. `data` is what `tofu init` made."""

    folder: Path
    data: Path
    backend: str = "local"
    file: Path | None = None

    @property
    def initialised(self) -> bool:
        """Whether `tofu init` was run in the folder: here or, in a clone, wherever it comes from."""
        return self.data.is_dir()


def places(estate: Estate, network: bool = True) -> tuple[Place, ...]:
    """Return the folders of the estate whose state there may be a way to read.

    States that are kept elsewhere count only with `network`, an initialised folder, and `tofu` on PATH."""
    found = []
    for place in folders(estate):
        if place.file is not None:
            if place.initialised or os.path.lexists(place.file):
                found.append(place)
        elif network and place.initialised and program("tofu") is not None:
            found.append(place)
    return tuple(found[:MOST])


def folders(estate: Estate) -> tuple[Place, ...]:
    """Return every folder of the estate that has OpenTofu files, whether it has a state or not."""
    tofu = estate.sources.tofu
    if tofu is None:
        return ()
    found = []
    for shown in dict.fromkeys(posixpath.dirname(block.span.file) for block in tofu.blocks):
        written = Path(shown)
        with suppress(RuntimeError):
            written = written.expanduser()
        found.append(_place((estate.file.parent / written).absolute(), shown, tofu))
    return tuple(found)


class _Backend(Struct):
    type: str = ""
    config: dict[str, object] | None = None


class _Initialised(Struct):
    backend: _Backend | None = None


def _place(folder: Path, shown: str, tofu: Tofu) -> Place:
    data = folder / (os.environ.get("TF_DATA_DIR") or ".terraform")
    try:
        told = msgspec.json.decode(_bytes(data / "terraform.tfstate"), type=_Initialised).backend or _Backend("local")
    except FileNotFoundError:
        told = _Backend(_declared(shown, tofu))
    except (OSError, msgspec.MsgspecError, RecursionError):
        return Place(folder, data, "unknown")
    if told.type != "local":
        return Place(folder, data, told.type)
    config = told.config or {}
    space = _workspace(data)
    path, spaces = config.get("path"), config.get("workspace_dir")
    if space == "default":
        return Place(folder, data, "local", folder / (path if isinstance(path, str) and path else "terraform.tfstate"))
    kept = spaces if isinstance(spaces, str) and spaces else "terraform.tfstate.d"
    return Place(folder, data, "local", folder / kept / space / "terraform.tfstate")


def _bytes(path: Path) -> bytes:
    try:
        return text_file.read(path, path.name, lenient=True).encode("utf-8", "surrogateescape")
    except InputError as error:
        raise OSError(str(error)) from None


def _declared(shown: str, tofu: Tofu) -> str:
    """Return the backend that the files of a folder declare: what counts until the folder is initialised."""
    for block in tofu.blocks:
        if block.kind == "terraform" and posixpath.dirname(block.span.file) == shown:
            for inner in block.blocks:
                if inner.kind == "cloud":
                    return "cloud"
                if inner.kind == "backend" and inner.labels:
                    return inner.labels[0]
    return "local"


def _workspace(data: Path) -> str:
    """Return the workspace in use; one that is no plain name counts as the default, as it does not exist."""
    name = os.environ.get("TF_WORKSPACE", "")
    if not name:
        with suppress(OSError):
            name = _bytes(data / "environment").decode("utf-8", "replace").strip()
    return name if name and "/" not in name and name not in (".", "..") else "default"
