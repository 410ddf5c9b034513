"""Files of OpenTofu by their names, and override files merged into the others as OpenTofu merges them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from msgspec.structs import replace

from console.errors import InputError
from console.sources.opentofu.values import Block, Document

_SUFFIX = re.compile(r"\.(tf|tofu)(\.json)?$")
_VARIABLES = re.compile(r"\.tfvars(\.json)?$")


def is_variables(name: str) -> bool:
    """Say whether a file holds values of variables: *.tfvars, *.tfvars.json."""
    return bool(_VARIABLES.search(name))


def is_override(name: str) -> bool:
    """Say whether a file is merged into the others: override.tf, *_override.tf, and as *.tofu or *.json."""
    stem = _SUFFIX.sub("", posixpath.basename(name))
    return stem != posixpath.basename(name) and (stem == "override" or stem.endswith("_override"))


def chosen(names: Sequence[str]) -> list[str]:
    """Choose what `tofu` reads of a folder: NAME.tofu stands before NAME.tf; of variables, what is read unasked.

    A lone other file of variables is taken too: it would be named on the command line."""
    better = hidden(names)
    found = [name for name in names if _SUFFIX.search(name) and name not in better and not name.startswith((".", "#"))]
    variables = [name for name in names if is_variables(name)]
    automatic = [name for name in variables if precedence(name)[0] < 4]
    others = [name for name in variables if name not in automatic]
    return [*found, *automatic, *(others if len(others) == 1 else [])] if found else []


_OWN = re.compile(r"\.tofu(\.json)?$")


def hidden(names: Sequence[str]) -> frozenset[str]:
    """Return the files that `tofu` does not read beside these: NAME.tf where NAME.tofu stands."""
    return frozenset(_OWN.sub(r".tf\1", name) for name in names if _OWN.search(name))


def precedence(name: str) -> tuple[int, str]:
    """Order files of variables as OpenTofu does: later ones win, those named on the command line most."""
    name = posixpath.basename(name)
    if not is_variables(name):
        return 0, ""
    if name == "terraform.tfvars":
        return 1, ""
    if name == "terraform.tfvars.json":
        return 2, ""
    return (3, name) if _VARIABLES.sub("", name).endswith(".auto") else (4, "")


def overlay(documents: Sequence[Document]) -> tuple[list[Block], list[InputError]]:
    """Return the blocks of a folder, overrides merged in, and the overrides that have nothing to override."""
    plain = [document for document in documents if not is_override(document.file)]
    blocks = [block for document in plain for block in document.blocks]
    problems: list[InputError] = []
    over = sorted((each for each in documents if is_override(each.file)), key=lambda each: each.file)
    places: dict[tuple[str, ...], int] = {}
    if over:
        for number, block in enumerate(blocks):
            places.setdefault(_key(block), number)
    for block in (block for document in over for block in document.blocks):
        number = places.get(_key(block), -1)
        if number >= 0:
            blocks[number] = _merged(blocks[number], block)
        elif block.kind in ("locals", "terraform", "provider"):
            blocks.append(block)
        else:
            name = " ".join((block.kind, *(f'"{label}"' for label in block.labels)))
            problem = f"{name} is in no other file, so there is nothing to override: move it, or rename the file"
            problems.append(InputError(block.span.file, block.span.line, block.span.column, problem))
    return blocks, problems


def _key(block: Block) -> tuple[str, ...]:
    return (block.kind, *block.labels)


def _merged(base: Block, over: Block) -> Block:
    """Merge a block: attributes by name; a kind of inner block replaces all of that kind, `lifecycle` is merged."""
    attributes = {each.name: each for each in base.attributes}
    attributes.update((each.name, each) for each in over.attributes)
    if "count" in (names := {each.name for each in over.attributes}):
        attributes.pop("for_each", None)
    elif "for_each" in names:
        attributes.pop("count", None)
    replaced = {_inner(each) for each in over.blocks}
    blocks = [each for each in base.blocks if _inner(each) not in replaced]
    for each in over.blocks:
        old = next((one for one in base.blocks if one.kind == each.kind == "lifecycle"), None)
        blocks.append(_merged(old, each) if old else each)
    return replace(base, attributes=tuple(attributes.values()), blocks=tuple(blocks))


def _inner(block: Block) -> str:
    """Return the kind of an inner block; a dynamic one is of the kind it makes."""
    return block.labels[0] if block.kind == "dynamic" and block.labels else block.kind
