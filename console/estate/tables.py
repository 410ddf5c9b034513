"""The compiled grammar of HCL on disk: what comes with the program, else what the private cache folder has.

Making it takes seconds. It is made when the program is installed, by `python -m console.estate.tables [FILE]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from console.sources.opentofu import grammar

NAME = "hcl.msgpack"


def shipped() -> Path:
    """Return where the tables are that come with the program; for another lark or grammar they are not used."""
    import assets

    return Path(assets.__file__).with_name(NAME)


@cache
def keep() -> None:
    """Use the tables that are there; those that had to be made go to the cache folder, where one can be written."""
    grammar.keep(_found, _save)


def _found() -> Iterator[bytes]:
    from console.store.folders import cache_folder

    with suppress(OSError):
        yield shipped().read_bytes()
    with suppress(OSError):
        if folder := cache_folder():
            yield (folder / NAME).read_bytes()


def _save(data: bytes) -> None:
    from console.store import atomic
    from console.store.folders import cache_folder

    if folder := cache_folder():
        with suppress(OSError):
            atomic.sweep(folder)
            atomic.write(folder / NAME, data)


def main(words: Sequence[str]) -> int:
    """Write the tables to the file named, else to where the program looks for them."""
    path = Path(words[0]) if words else shipped()
    path.write_bytes(grammar.packed())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
