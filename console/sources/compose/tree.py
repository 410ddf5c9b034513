"""Compose files as trees with places: variables expanded, `<<` and aliases followed, and one file merged over another.

The rules of merging are those of the compose specification, chapter 13, and of compose-go's override package."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from console.errors import InputError
from console.model import Span
from console.sources.compose.expansion import Room, expand
from console.sources.compose.nodes import Node, is_kind, null, word
from console.text import clean

MOST = 10000
"""Mappings looked into, and nodes made by merging; aliases of aliases multiply."""


class Item(Struct, frozen=True):
    """A node of a compose file. `variable` is the first one its text asks for; `broken`, that it could not be expanded.

    A mapping's `keys` are the places of its keys."""

    kind: Literal["scalar", "sequence", "mapping"]
    span: Span
    text: str = ""
    null: bool = False
    tag: str = ""
    items: tuple[Item, ...] = ()
    pairs: dict[str, Item] = {}
    keys: dict[str, Span] = {}
    variable: str | None = None
    broken: bool = False

    def get(self, *names: str) -> Item | None:
        """Return what stands below these keys."""
        found: Item | None = self
        for name in names:
            found = found.pairs.get(name) if found is not None else None
        return found


class Convert:
    """Turns ruamel's nodes into items, of one file and with one set of variables."""

    def __init__(self, file: str, variables: Mapping[str, str], complain: Callable[[InputError], None]) -> None:
        self.file, self.variables, self.complain = file, variables, complain
        self.looked = 0
        self.room, self.full = Room(), False
        self.made: dict[int, Item | None] = {}

    def item(self, node: Node) -> Item:
        """Return a node as an item; a node that holds itself is empty there."""
        if id(node) in self.made:
            return self.made[id(node)] or Item("scalar", self.span(node), null=True)
        self.made[id(node)] = None
        if is_kind(node, "scalar"):
            found = self._scalar(node)
        elif is_kind(node, "sequence"):
            found = Item(
                "sequence", self.span(node), tag=_tag(node), items=tuple(self.item(each) for each in node.value)
            )
        else:
            found = self._mapping(node)
        self.made[id(node)] = found
        return found

    def span(self, node: Node) -> Span:
        start, end = node.start_mark, node.end_mark
        last = end.column + 1 if end.line == start.line else 0
        return Span(self.file, start.line + 1, start.column + 1, last)

    def _say(self, node: Node, problem: str) -> None:
        mark = node.start_mark
        self.complain(InputError(self.file, mark.line + 1, mark.column + 1, problem))

    def _scalar(self, node: Node) -> Item:
        text = word(node)
        if "$" not in text:
            return Item("scalar", self.span(node), text, null(node), _tag(node))
        found = expand(text, self.variables, self.room)
        if found.problem and not (found.overflows and self.full):
            self._say(node, clean(found.problem, 160))
        self.full = self.full or found.overflows
        variable = found.names[0] if found.names else None
        return Item(
            "scalar", self.span(node), found.text, tag=_tag(node), variable=variable, broken=found.problem is not None
        )

    def _mapping(self, node: Node) -> Item:
        pairs: dict[str, Item] = {}
        keys: dict[str, Span] = {}
        for key, value in self._pairs(node):
            pairs[word(key)], keys[word(key)] = self.item(value), self.span(key)
        return Item("mapping", self.span(node), tag=_tag(node), pairs=pairs, keys=keys)

    def _pairs(self, node: Node) -> Iterator[tuple[Node, Node]]:
        """Yield the pairs of a mapping, merged ones first, so that the mapping's own come last and count."""
        merged: list[Node] = []
        seen: set[int] = {id(node)}
        waiting = [node]
        while waiting and self.looked < MOST:
            self.looked += 1
            current = waiting.pop()
            merged.append(current)
            for key, value in current.value:
                if word(key) == "<<":
                    for other in value.value if is_kind(value, "sequence") else [value]:
                        if is_kind(other, "mapping") and id(other) not in seen:
                            seen.add(id(other))
                            waiting.append(other)
        latest: dict[str, tuple[Node, Node]] = {}
        for mapping in reversed(merged):
            own: dict[str, Node] = {}
            for key, value in mapping.value:
                name = word(key)
                if name in own and mapping is node:
                    line = own[name].start_mark.line + 1
                    self._say(key, f'"{clean(name, 40)}" stands here twice, first at line {line}')
                own[name] = key
                if name != "<<":
                    latest[name] = (key, value)
        yield from latest.values()


def _tag(node: Node) -> str:
    tag = str(node.tag)
    return "" if tag.startswith("tag:yaml.org,2002:") else tag


# ── merging ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_BY_NAME = frozenset(
    ["annotations", "build.args", "build.additional_contexts", "build.labels", "deploy.labels", "environment",
     "extra_hosts", "labels", "sysctls"]
)  # fmt: skip
_LISTS = frozenset(["dns", "dns_opt", "dns_search", "env_file", "tmpfs"])
"""One text stands for a list of one."""

_REPLACED = frozenset(["command", "entrypoint", "healthcheck.test"])
_NAMED = frozenset(["depends_on", "networks"])
"""A list of names stands for a mapping of them."""

_UNIQUE = frozenset(
    ["cap_add", "cap_drop", "devices", "dns", "dns_opt", "dns_search", "env_file", "expose", "links", "ports",
     "profiles", "tmpfs", "volumes"]
)  # fmt: skip


class Merge:
    """Merges trees; `complain` hears of what cannot be put over the other."""

    def __init__(self, complain: Callable[[InputError], None]) -> None:
        self.complain = complain
        self.made = 0

    def over(self, base: Item | None, item: Item, path: tuple[str, ...] = ()) -> Item:
        """Return `item` put over `base`, by what the path says of it."""
        if base is None or item.tag == "!override" or self._full(item):
            return self.clean(item, path)
        setting = ".".join(path[2:]) if path[:1] == ("services",) else ""
        if setting in _REPLACED:
            return item
        if item.kind == "scalar" and item.null:
            return base
        if setting == "build" and "scalar" in (base.kind, item.kind):
            base, item = _context(base), _context(item)
        if setting in _BY_NAME:
            base, item = by_name(base), by_name(item)
        elif setting in _NAMED:
            base, item = _named(base), _named(item)
        elif setting in _LISTS:
            base, item = _listed(base), _listed(item)
        if base.kind == item.kind == "mapping":
            return self._mappings(base, item, path)
        if base.kind == item.kind == "sequence":
            together = (*base.items, *(self.clean(each, path) for each in item.items))
            return replace(base, items=_unique(setting, together), tag=item.tag or base.tag)
        if base.kind != "scalar" and base.kind != item.kind:
            where = f"{base.span.file}:{base.span.line}"
            problem = f"this cannot override {clean('.'.join(path), 80)} of {where}: one is a list, the other is not"
            self.complain(InputError(item.span.file, item.span.line, item.span.column, problem))
            return base
        return item

    def _full(self, item: Item) -> bool:
        """Count a node that is made; returns whether there are too many, which is said once."""
        self.made += 1
        if self.made == MOST + 1:
            problem = f"more than {MOST} entries are put together: the rest stays as it is; is this the right file?"
            self.complain(InputError(item.span.file, item.span.line, item.span.column, problem))
        return self.made > MOST

    def _mappings(self, base: Item, item: Item, path: tuple[str, ...]) -> Item:
        pairs, keys = dict(base.pairs), dict(base.keys)
        if path[2:] == ("logging",) and _driver(base) and _driver(item) and _driver(base) != _driver(item):
            return item
        for name, value in item.pairs.items():
            if value.tag == "!reset":
                pairs.pop(name, None)
                keys.pop(name, None)
                continue
            pairs[name] = self.over(pairs.get(name), value, (*path, name))
            keys[name] = item.keys.get(name, value.span)
        return replace(base, pairs=pairs, keys=keys)

    def clean(self, item: Item, path: tuple[str, ...]) -> Item:
        """Return an item that stands on its own: without what it resets, its lists without what they say twice."""
        if self._full(item):
            return item
        if item.kind == "mapping":
            kept = {name: each for name, each in item.pairs.items() if each.tag != "!reset"}
            return replace(item, pairs={name: self.clean(each, (*path, name)) for name, each in kept.items()})
        if item.kind == "sequence" and path[:1] == ("services",):
            return replace(item, items=_unique(".".join(path[2:]), item.items))
        return item


def by_name(item: Item) -> Item:
    """Return NAME=value texts as the mapping they mean; a name alone has the value null."""
    if item.kind != "sequence":
        return item
    pairs: dict[str, Item] = {}
    keys: dict[str, Span] = {}
    for each in item.items:
        name, separator, value = each.text.partition("=")
        if not separator and ":" in name:
            name, separator, value = name.partition(":")
        if name:
            pairs[name] = replace(each, text=value, null=not separator)
            keys[name] = each.span
    return replace(item, kind="mapping", items=(), pairs=pairs, keys=keys)


def _named(item: Item) -> Item:
    if item.kind != "sequence":
        return item
    pairs = {each.text: Item("scalar", each.span, null=True) for each in item.items if each.text}
    return replace(item, kind="mapping", items=(), pairs=pairs, keys={name: each.span for name, each in pairs.items()})


def _listed(item: Item) -> Item:
    return item if item.kind == "sequence" else Item("sequence", item.span, items=(item,))


def _context(item: Item) -> Item:
    if item.kind != "scalar":
        return item
    return Item("mapping", item.span, pairs={"context": item}, keys={"context": item.span})


def _driver(item: Item) -> str:
    found = item.get("driver")
    return found.text if found else ""


def _unique(setting: str, items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Return each entry once: the last one that says it, where the first one stood."""
    if setting not in _UNIQUE:
        return items
    kept: dict[str, Item] = {}
    for number, each in enumerate(items):
        kept[_mark(setting, each) or f"\0{number}"] = each
    return tuple(kept.values())


def _mark(setting: str, item: Item) -> str:
    """Return what tells two entries of a list apart."""
    if item.kind == "mapping":
        said = {name: each.text for name, each in item.pairs.items()}
        if setting == "ports":
            address, protocol = said.get("host_ip", "0.0.0.0"), said.get("protocol", "tcp")
            return f"{address}:{said.get('published', '')}:{said.get('target', '')}/{protocol}"
        return said.get("path", "") if setting == "env_file" else said.get("target", "")
    if setting in ("volumes", "devices"):
        parts = item.text.split(":")
        return parts[1] if len(parts) > 1 else parts[0]
    return item.text
