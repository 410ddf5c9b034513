"""The text of a site file: a new one with comments, or the operator's own with only what changed changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from console.site import HostEntry, Site

if TYPE_CHECKING:
    from tomlkit.container import Container
    from tomlkit.items import AbstractTable

HEADER = """\
# What cowhand looks at, as `cowhand init` wrote it. It is yours: when init changes it again, your comments stay.
# Paths are relative to this file. A folder stands for its *.cfg, its *.tf, or its compose files.
# `man cowhand` and the README have every key.

"""

Where = tuple[str, ...]
"""Keys from the top: ("sources", "haproxy"), ("hosts", "vps"), ("lane", "443")."""

Remarks = Mapping[Where, str]
"""What is said beside a key, or below the header of a table."""


class NotKept(ValueError):
    """The text cannot be changed without losing what the operator wrote."""


def merge(text: str, old: Site, new: Site, remarks: Remarks | None = None) -> str:
    """Return `text`, which says `old`, changed to say `new`: every other byte stays. An empty text gets a header.

    Raises `NotKept` where the keys are spelled in a way that cannot be changed so."""
    import tomlkit

    if old == new and text:
        return text
    start = text if text.endswith("\n") else text + "\n" if text else HEADER
    if new.name is not None and old.name is None:  # the one key that stands above all tables
        name = f"name = {tomlkit.item(new.name).as_string()}\n"
        start = name + start if text else start + name
        old = msgspec.structs.replace(old, name=new.name)
    document = tomlkit.parse(start)
    writer = _Writer(remarks or {})
    try:
        writer.tables(document, msgspec.to_builtins(old), msgspec.to_builtins(new))
        written = document.as_string()
    except NotKept:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, LookupError) as error:
        raise NotKept(str(error)) from error
    return _checked(start, written, new)


def _checked(before: str, written: str, new: Site) -> str:
    """Return what was written, unless it says something else, or a comment is gone."""
    import tomllib

    try:
        said = msgspec.convert(tomllib.loads(written), Site)
    except (ValueError, msgspec.ValidationError):
        raise NotKept("it is not TOML any more") from None
    lines = written.split("\n")
    lost = [line for line in before.split("\n") if line.lstrip().startswith("#") and line not in lines]
    if said != new or lost:
        raise NotKept("a comment would be lost" if lost else "it would say something else")
    return written


_DEFAULTS: dict[str, dict[str, Any]] = {
    each: msgspec.to_builtins(getattr(Site(), each)) for each in ("sources", "public")
} | {"hosts": dict.fromkeys(HostEntry.__struct_fields__) | {"local": False}}


class _Writer:
    def __init__(self, remarks: Remarks) -> None:
        self.remarks = remarks

    def tables(self, document: Container, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Change every table of the site file that differs."""
        import tomlkit

        for key, value in new.items():
            before = old.get(key)
            if value == before:
                continue
            if key == "name":
                self._name(document, value)
            elif key == "lane":
                self._lanes(document, [*(before or ())], [*value])
            elif value is None:
                document.remove(key)
            elif key == "hosts":
                self._hosts(document, before or {}, value)
            else:
                if key not in document:
                    self._apart(document)
                    document.append(key, tomlkit.table())
                self._keys(document[key], (key,), before or {}, value, _DEFAULTS.get(key, {}))

    def _name(self, document: Container, value: str | None) -> None:
        if value is None:
            document.remove("name")
        else:
            document["name"] = self._item(value, ("name",))

    def _hosts(self, document: Container, old: dict[str, Any], new: dict[str, Any]) -> None:
        import tomlkit

        if "hosts" not in document:
            document.append("hosts", tomlkit.table(is_super_table=True))
        hosts: Any = document["hosts"]
        for name in [name for name in old if name not in new]:
            hosts.remove(name)
        for name, entry in new.items():
            if entry == old.get(name):
                continue
            if name not in old:
                self._apart(document)
                table = tomlkit.table()
                if remark := self.remarks.get(("hosts", name)):
                    table.add(tomlkit.comment(remark))
                hosts.append(name, table)
            self._keys(hosts[name], ("hosts", name), old.get(name, {}), entry, _DEFAULTS["hosts"])

    def _lanes(self, document: Container, old: list[Any], new: list[Any]) -> None:
        import tomlkit

        stay = [lane for lane in old if lane in new]
        if new[: len(stay)] != stay:
            raise NotKept("a [[lane]] that is there would be another one")
        if not new:
            document.remove("lane")
            return
        for index in reversed([index for index, lane in enumerate(old) if lane not in new]):
            document["lane"].pop(index)
        if "lane" not in document:
            document.append("lane", tomlkit.aot())
        lanes: Any = document["lane"]
        for lane in new[len(stay) :]:
            table = tomlkit.table()
            table.trivia.indent = "\n"
            if remark := self.remarks.get(("lane", str(lane["port"]))):
                table.add(tomlkit.comment(remark))
            self._keys(table, ("lane",), {}, lane, {})
            lanes.append(table)

    def _keys(
        self, table: AbstractTable, where: Where, old: dict[str, Any], new: dict[str, Any], default: dict[str, Any]
    ) -> None:
        for key, value in new.items():
            if value == old.get(key):
                continue
            if value is None or (key in default and value == default[key]):
                if key in table:
                    table.remove(key)
            elif key in table:
                table[key] = [*value] if isinstance(value, tuple) else value
            else:
                self._insert(table, key, self._item(value, (*where, key)))
        for key in [key for key in old if key not in new]:
            table.remove(key)

    def _insert(self, table: AbstractTable, key: str, item: Any) -> None:
        """Add a key after the last one of its table: what stands below that belongs to what comes next."""
        last = next((str(each) for each in reversed([*table.keys()])), None)
        if last is None or not hasattr(table, "value") or not hasattr(table.value, "_insert_after"):
            table.append(key, item)
        else:
            table.value._insert_after(last, key, item)

    def _item(self, value: Any, where: Where) -> Any:
        import tomlkit

        item = tomlkit.item([*value] if isinstance(value, tuple) else value)
        if remark := self.remarks.get(where):
            item.comment(remark)
        return item

    def _apart(self, document: Container) -> None:
        """Leave an empty line before what is added at the end."""
        import tomlkit

        text = document.as_string()
        if text.strip() and not text.endswith("\n\n"):
            document.add(tomlkit.nl())
