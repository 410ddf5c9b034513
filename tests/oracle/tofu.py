"""`python -m tests.oracle.tofu FOLDER…`: our read of every *.tf, *.tofu and ```hcl block against an independent scan.

A file counts as read when type, labels and line of each of its top-level blocks are those of the scan. Where `tofu` is
on PATH, a file that is not read is shown to `tofu fmt`; what that refuses too is no HCL and does not count."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from console.errors import InputError
from console.sources.opentofu import syntax
from tests.oracle.hcl_blocks import Block, Broken, blocks

_FENCE = re.compile(r"^([ \t]*)```(?:hcl|terraform|tf)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each file, and of each fenced block of a document."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix not in (".tf", ".tofu", ".hcl", ".md"):
            continue
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError:
            print(f"{path}: not UTF-8")
            continue
        if path.suffix != ".md":
            yield str(path), text
            continue
        for match in _FENCE.finditer(text):
            indent = len(match[1])
            lines = [line[indent:] for line in match[2].splitlines(keepends=True)]
            yield f"{path}:{text.count(chr(10), 0, match.start()) + 2}", "".join(lines)


def ours(text: str) -> list[Block] | str:
    """Return our read; an error as its words."""
    try:
        document = syntax.parse(text, "it")
    except InputError as error:
        return str(error)
    return [(block.kind, block.labels, block.span.line) for block in document.blocks]


def theirs(text: str) -> list[Block] | str:
    """Return the independent scan."""
    try:
        return blocks(text)
    except Broken as error:
        (at,) = error.args
        return f"lost at line {text.count(chr(10), 0, at) + 1}"


def refused(tofu: str, text: str) -> bool:
    """Say whether `tofu fmt` calls the text no HCL."""
    done = subprocess.run([tofu, "fmt", "-"], input=text.encode(), capture_output=True, timeout=120, check=False)
    return done.returncode != 0


def main(folders: list[str]) -> int:
    """Compare all; returns 0 when at least 99.8 % of the valid texts are read."""
    tofu = shutil.which("tofu")
    total = read = invalid = 0
    for folder in folders:
        for name, text in texts(Path(folder)):
            total += 1
            mine, other = ours(text), theirs(text)
            if mine == other and not isinstance(mine, str):
                read += 1
            elif tofu and refused(tofu, text):
                invalid += 1
            else:
                print(f"{name}:\n  ours  {_differing(mine, other)}\n  scan  {_differing(other, mine)}")
    valid = total - invalid
    share = 100 * read / valid if valid else 0.0
    print(f"{total} texts, {invalid} refused by tofu too, {valid} valid, {read} read: {share:.3f} %")
    return 0 if share >= 99.8 else 1


def _differing(mine: list[Block] | str, other: list[Block] | str) -> str:
    if isinstance(mine, str) or isinstance(other, str):
        return mine if isinstance(mine, str) else f"{len(mine)} blocks"
    return str([block for block in mine if block not in other][:5])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
