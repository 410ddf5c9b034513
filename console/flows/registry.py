"""The flows there are: the files and folders here that define `FLOW`, found by their text, imported when asked for."""

from __future__ import annotations

import importlib
import re
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

import msgspec

from console.errors import CowhandError
from console.runner.step import Flow

_DEFINES = re.compile(r"^FLOW\b", re.MULTILINE)
_PACKAGE = "console.flows"


class UnknownFlow(CowhandError):
    """There is no flow of that name."""


def names() -> tuple[str, ...]:
    """The names of all flows, in order."""
    return tuple(modules())


@lru_cache(maxsize=1)
def modules() -> dict[str, str]:
    """Name → module: note.py is the flow note, mount_volumes/steps.py the flow mount-volumes."""
    import console.flows

    found = {}
    for folder in map(Path, console.flows.__path__):
        for file in (*folder.glob("[a-z]*.py"), *folder.glob("[a-z]*/steps.py")):
            if _DEFINES.search(file.read_text(encoding="utf-8")):
                parts = file.relative_to(folder).with_suffix("").parts
                found[parts[0].replace("_", "-")] = ".".join((_PACKAGE, *parts))
    return dict(sorted(found.items()))


def find(name: str) -> Flow:
    """Return a flow with its name, and the first sentence of its file as its words; raises `UnknownFlow`."""
    known = names()
    if name not in known:
        near = get_close_matches(name, known, 1, 0.5)
        hint = f'did you mean "{near[0]}"?' if near else "`cowhand flow --list` names them"
        raise UnknownFlow(f'there is no flow "{name}"; {hint}')
    module = importlib.import_module(modules()[name])
    flow: Flow = module.FLOW
    words = (module.__doc__ or name).strip().partition("\n")[0].rstrip(".")
    return msgspec.structs.replace(flow, name=flow.name or name, words=flow.words or words)
