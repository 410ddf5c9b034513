"""What each of the operator's own sites says of itself, for the picker."""

from __future__ import annotations

from pathlib import Path

from console.errors import InputError
from console.estate import site_file, site_names
from console.site import SiteListed
from console.text import clean, join_words


def listed() -> tuple[SiteListed, ...]:
    """Return the sites with what each says of itself, for the picker."""
    return tuple(_listed(name, path) for name, path in site_names.sites().items())


def _listed(name: str, path: Path) -> SiteListed:
    try:
        site = site_file.load(path)
    except InputError as error:
        return SiteListed(name, str(path), f"cannot be used: {clean(error.problem, 160)}", False)
    parts = [join_words([clean(each, 60) for each in site.public.names], 3), join_words([*site.hosts], 6)]
    words = "; ".join(part for part in parts if part) or "names neither a host nor what clients connect to"
    return SiteListed(name, str(path), words)
