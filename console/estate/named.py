"""Files that a site file names beside its sources: an authority's certificates, and those for Incus.

They are under the same rule as the sources: a site file that came with a repository names nothing outside of it."""

from __future__ import annotations

import re
from pathlib import Path

from console.errors import InputError
from console.estate import text_file
from console.estate.boundary import Boundary
from console.estate.load import Estate
from console.sources import toml_places
from console.text import clean

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----\s[^-]*+-----END CERTIFICATE-----")


def path(estate: Estate, table: str, key: str, written: str) -> Path:
    """Return the path of a file that `[table] key` names; raises `InputError` with its place when it may not."""
    folder = estate.file.absolute().parent
    found = folder / Path(written).expanduser()
    if not estate.own and not Boundary(folder, ()).holds(found):
        what = f'"{clean(written, 120)}" is outside of this site and its repository: not read'
        raise problem(estate, table, key, f"{what}. Copy it here, or name it in a site file in ~/.config/cowhand")
    return found


def certificates(estate: Estate, table: str, key: str, written: str) -> str:
    """Return the certificates in a file that `[table] key` names, as PEM; what else is in it stays there.

    Raises `InputError` with the place of the key when there are none to read."""
    found = path(estate, table, key, written)
    try:
        within = None if estate.own else Boundary(estate.file.absolute().parent, ()).holds
        text = text_file.read(found, written, within=within)
    except OSError as error:
        raise problem(estate, table, key, f'"{clean(written, 120)}" {text_file.reason(error)}') from None
    blocks = _BLOCK.findall(text)
    if not blocks:
        raise problem(estate, table, key, f'"{clean(written, 120)}" holds no certificate; name a file in PEM form')
    return "\n".join(blocks) + "\n"


def authority(estate: Estate) -> str:
    """Return the roots that the site trusts beside the usual ones, as PEM; "" for none. Raises as `certificates`."""
    entry = estate.site.certificate
    if entry is None or not entry.authority:
        return ""
    return certificates(estate, "certificate", "authority", entry.authority)


def problem(estate: Estate, table: str, key: str, words: str) -> InputError:
    """Return what is wrong with `[table] key`, with its place in the site file."""
    file = str(estate.file)
    line, column = toml_places.find(estate.texts.get(file, "")).get((table, key), (1, 1))
    return InputError(file, line, column, words)
