"""What `tofu show` would execute in a folder, and the files that decide it: what a trust is for."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from console.errors import InputError
from console.estate import text_file
from console.hosts.programs import program
from console.store.folders import repository
from console.store.plain import read_plain
from console.store.trust import Use, shown, unseen
from console.store.walk import files_of, walk
from console.tofu.place import Place
from console.tofu.show import words

MOST = 4000
"""Most files that a trust is for; a folder with more is not one of *.tf."""

LARGEST_INDEX = 64 << 20
"""Bytes of git's index that are looked through."""

_INDEX = b"DIRC\0\0\0"
"""How git's index begins, before its version (gitformat-index(5))."""

_CONFIGURATION = (".tf", ".tofu", ".tf.json", ".tofu.json")
NAMES = (".terraform.lock.hcl", ".opentofu-version", ".terraform-version", ".tool-versions")
"""Which providers are taken; and which OpenTofu, where `tofu` is a version manager's."""


def use(place: Place, site: Path) -> Use:
    """Return what `tofu show` would run in this folder. Its providers start to tell what the values mean."""
    packages = [*files_below(place.data / "providers"), *files_below(place.data / "plugins")]
    deciding = [*(place.folder / name for name in NAMES), place.data / "terraform.tfstate", *packages]
    keys = [path for path in configuration(place.folder) if _may_encrypt(path)]
    named = _named(place)
    read = [path for path in named or () if _inside(path, place) and not path.is_dir()]
    deciding += read
    there = [path for path in read if os.path.lexists(path)]
    if keys or there or _execs(place):  # they may name programs, by whatever any other file says
        deciding += other_files(place)
    runs = [path for path in packages if os.access(path, os.X_OK)]
    top = os.path.realpath(site)
    reason = "its state is encrypted" if place.file else f'its state is kept by the backend "{place.backend}"'
    executes = [shown(str(path), top) for path in runs]
    executes += [f"what {shown(str(path), top)} names in an encryption block" for path in keys]
    executes += [f"what {shown(str(path), top)} names: the backend reads it" for path in there]
    if place.file is None:
        executes += [f"what {shown(str(place.data / 'terraform.tfstate'), top)} may name: the settings of the backend"]
    refused = ""
    if full := len(deciding) > MOST:
        refused = f"{shown(str(place.folder), top)} has more than {MOST} files that decide what runs"
    elif named is None:
        refused = f"{shown(str(place.data / 'terraform.tfstate'), top)} cannot be read"
    return Use(
        "OpenTofu",
        (program("tofu") or "tofu", *words(str(place.folder))),
        f"{reason}, which only OpenTofu reads",
        () if full else tuple(executes),
        files=() if full else tuple(dict.fromkeys(deciding)),
        refused=refused or unseen(executes),
    )


def files_below(folder: Path) -> list[Path]:
    """Return the files below a folder, through links: a package may be one into OpenTofu's cache."""
    found: list[Path] = []
    for count, (top, folders, names) in enumerate(walk(folder, followlinks=True)):
        folders.sort()
        found += [Path(top, name) for name in sorted(names)]
        if len(found) > MOST or count > MOST:  # links that lead in circles
            return [*found, *(Path(top, str(number)) for number in range(MOST))]
    return found


def _named(place: Place) -> list[Path] | None:
    """Return what the backend's settings name, as far as it may be a file: it is there, or a later pull brings it.

    A kubeconfig names programs that log in (`exec`), a configuration of AWS too (`credential_process`). None when the
    settings cannot be read. Every text counts: Go's reader takes "Backend" for "backend", and joins what is doubled."""
    try:
        told = text_file.read(place.data / "terraform.tfstate", "", lenient=True)
    except FileNotFoundError:
        return []
    except (OSError, InputError):
        return None
    texts = {_plain(match[0]) for match in re.finditer(r'"(?:\\.|[^"\\])*+"', told)}
    if None in texts or len(texts) > MOST:
        return None
    return [place.folder / os.path.expanduser(text) for text in sorted(filter(None, texts))]  # noqa: PTH111 (never raises)


def _execs(place: Place) -> bool:
    """Whether the settings of a backend may have a block `exec`: how to log in, by a program and its words."""
    try:
        told = text_file.read(place.data / "terraform.tfstate", "", lenient=True)
    except FileNotFoundError:
        return False
    except (OSError, InputError):
        return True
    return "exec" in told.lower() or "\\u" in told.lower()


def _plain(text: str) -> str | None:
    """Return a text of JSON without its quotes, "" when it names no file; None when Go's reader would change it."""
    try:
        plain = str(json.loads(text, strict=False))
        plain.encode()
    except ValueError:
        return None
    return plain if len(plain) < 4096 and "\0" not in plain else ""


def _inside(path: Path, place: Place) -> bool:
    """Whether a path is in the repository, be it through a link of the repository's."""
    top = _top(place)
    return any(top in Path(each).parents for each in (os.path.normpath(path), os.path.realpath(path)))


def _top(place: Place) -> Path:
    real = Path(os.path.realpath(place.folder))
    return repository(real) or real


def other_files(place: Place) -> Iterator[Path]:
    """Yield the other files of the repository, but packages, and the state of this place: every change writes it.

    A state that git brings is one of the others: `external` may have a shell read whatever is called so."""
    data = os.path.realpath(place.data)
    written = [path for path in written_by_changes(place) if not tracked(path)]
    packages = (Path(data, "providers"), Path(data, "plugins"))
    # one more than MOST of the others has to come, where there are more
    for path in files_of(_top(place), MOST + len(written), without=packages):
        if str(path) not in written:
            yield path


def written_by_changes(place: Place) -> tuple[str, ...]:
    """Return what every change writes: the state, the one before, and the note that it is in use."""
    if place.file is None:
        return ()
    state = os.path.realpath(place.file)
    folder, name = os.path.split(state)
    return state, f"{state}.backup", f"{folder}/.{name}.lock.info"


def tracked(path: str) -> bool:
    """Whether git has a file, and a pull may so change it; also where that cannot be told."""
    top = next((each for each in Path(path).parents if os.path.lexists(each / ".git")), None)
    if top is None:
        return False
    try:
        index = read_plain(top / ".git/index", LARGEST_INDEX)
        apart = any((top / ".git").glob("sharedindex.*"))
    except FileNotFoundError:
        return False
    except OSError:  # .git is a file that names another place
        return True
    if apart or index[:8] != _INDEX + index[7:8] or index[7:8] not in b"\2\3" or b"sdir" in index:
        return True  # of version 4 names are cut, of a sparse one they lack
    return os.fsencode(os.path.relpath(path, top)) + b"\0" in index


def configuration(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(_CONFIGURATION))
    except OSError:
        return []


def _may_encrypt(path: Path) -> bool:
    """Whether a file may have a block `encryption`: its name cannot be written otherwise, but in JSON.

    A key provider of it may be a program ("external")."""
    if path.name.endswith(".json"):
        return True
    try:
        return "encryption" in text_file.read(path, path.name, lenient=True)
    except (OSError, InputError):
        return True
