"""What is known of the HAProxy that reads the file: version and features, so that `.if` can be decided as it would."""

from __future__ import annotations

import re

from msgspec import Struct

_VERSION = re.compile(r"^HAProxy version ([0-9][^\s]*)", re.MULTILINE | re.IGNORECASE)
_FEATURES = re.compile(r"^(?:Detected f|F)eature list : (.*)", re.MULTILINE)
_LIBRARY = re.compile(r"^Running on (?:OpenSSL|SSL library) version : ((\S+) ?([0-9]\S*)?.*)", re.MULTILINE)
_PARTS = re.compile(r"([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-(dev|rc|pre)([0-9]*))?(?:-(.*))?\Z")
_LETTERED = re.compile(r"([0-9]+)\.([0-9]+)\.[0-9]+[a-z]?(?:-.*)?\Z")
_STAGES = {"dev": 1, "rc": 2, "pre": 2}
_RELEASED = 3


class Build(Struct, frozen=True):
    """One build of HAProxy; `features` holds those that are in it, `library` the SSL library's name and version."""

    version: str
    features: frozenset[str] = frozenset()
    library: str = ""


def read(text: str) -> Build | None:
    """Read what `haproxy -vv` prints; None when it is something else."""
    version = _VERSION.search(text)
    if version is None:
        return None
    words = " ".join(_FEATURES.findall(text)).split()
    library = _LIBRARY.search(text)
    return Build(
        version.group(1),
        frozenset(word[1:] for word in words if word.startswith("+")),
        library.group(1).strip() if library else "",
    )


def before(build: Build, wanted: str) -> bool | None:
    """Say whether the build is older than a version; None when the version cannot be read."""
    own, other = _split(build.version), _split(wanted)
    return None if own is None or other is None else own < other


def library_before(build: Build, wanted: str) -> bool | None:
    """Say whether the SSL library is older than a version; None when that cannot be told.

    HAProxy reads the third number in a way of its own: where only that one differs, it is not decided."""
    numbers = [word for word in build.library.split() if word[:1].isdigit()]
    own = _LETTERED.match(numbers[0]) if numbers else None
    other = _LETTERED.match(wanted)
    if own is None or other is None:
        return None
    left, right = (int(own[1][:9]), int(own[2][:9])), (int(other[1][:9]), int(other[2][:9]))
    return None if left == right else left < right


def _split(version: str) -> tuple[int, ...] | None:
    """Split a version as `split_version()` of HAProxy's src/tools.c does: a release comes after its candidates."""
    match = _PARTS.match(version)
    if match is None:
        return None
    numbers = [int((match[group] or "0")[:9]) for group in range(1, 5)]
    stage = _STAGES.get(match[5] or "", _RELEASED)
    commits = (match[7] or "").rpartition("-")[2]
    return (*numbers, stage, int((match[6] or "0")[:9]), int(commits[:9]) if re.fullmatch("[0-9]+", commits) else 0)
