"""The operator's own sites: site files in their configuration folder, each called by its name."""

from __future__ import annotations

import re
from pathlib import Path

from console.errors import InputError
from console.text import join_words

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", re.ASCII)

MOST = 64
"""Sites that are listed."""


def sites() -> dict[str, Path]:
    """Return the site files of the configuration folder: NAME.toml, or NAME/site.toml, by name."""
    from console.store.folders import configuration_folder

    folder = configuration_folder()
    found = {path.stem: path for path in sorted(folder.glob("*.toml")) if NAME.fullmatch(path.stem)}
    for path in sorted(folder.glob("*/site.toml")):
        if NAME.fullmatch(path.parent.name):
            found.setdefault(path.parent.name, path)
    return dict(sorted(found.items())[:MOST])


def place(word: str) -> Path:
    """Return the path that --site means: a site of that name, which may be yet to be written, or a file.

    A site of the operator's goes before a file of that name: anybody may lay one into a folder like /tmp."""
    path = Path(word).expanduser()
    if not NAME.fullmatch(word):
        return path
    if known := sites().get(word):
        return known
    from console.store.folders import configuration_folder

    return path if path.exists() else configuration_folder() / f"{word}.toml"


def named(word: str) -> Path:
    """Return the site file that --site means; raises `InputError` when a name is no site's."""
    path = place(word)
    if NAME.fullmatch(word) and not path.exists():
        known = [*sites()]
        yours = f"yours are {join_words(known, 12)}" if known else "you have none yet"
        raise InputError(
            f"--site {word}", 0, 0, f"no site is called so; {yours}, and `cowhand --site {word} init` makes it"
        )
    return path


def only() -> Path | None:
    """Return the site file that is meant when none is named and none is here: site.toml, else the only one.

    Raises `InputError` when there are several and none is called site."""
    found = sites()
    if "site" in found or len(found) == 1:
        return found.get("site") or next(iter(found.values()))
    if found:
        raise InputError(
            "--site", 0, 0, f"which one? yours are {join_words([*found], 12)}; name one: --site {next(iter(found))}"
        )
    return None
