"""The parser of HCL: python-hcl2's grammar, compiled by lark. Compiling takes seconds, so the result can be kept.

What is kept is plain data in MessagePack and never a pickle: a file that somebody else planted cannot run code. It is
for one version of lark and of the grammar, and begins with a sum of itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from lark import Lark

WIDEST = 1 << 62
"""Widths of patterns are only compared; an endless one is a number that MessagePack has no room for."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    version: str
    data: dict[str, Any]
    memo: dict[int, Any]


SUM = 32
"""Bytes of the SHA-256 that what is kept begins with."""

_load: list[Callable[[], Iterable[bytes]]] = []
_save: list[Callable[[bytes], None]] = []


def keep(load: Callable[[], Iterable[bytes]], save: Callable[[bytes], None]) -> None:
    """Take the compiled grammar from the first of `load` that fits, and hand it to `save` when none did."""
    _load[:], _save[:] = [load], [save]


def packed() -> bytes:
    """Compile the grammar, and return it as it is kept; takes seconds."""
    text, postlex = _package()
    return _packed(_compiled(text, postlex), _version(text))


@lru_cache(maxsize=1)
def parser() -> Lark:
    """Return the parser, which has one start rule and gives trees with positions."""
    text, postlex = _package()
    version = _version(text)
    for kept in _load[0]() if _load else ():
        if found := _unpacked(kept, version, postlex):
            return found
    made = _compiled(text, postlex)
    if _save:
        _save[0](_packed(made, version))
    return made


def _compiled(text: str, postlex: Any) -> Lark:
    from lark import Lark

    return Lark(text, parser="lalr", propagate_positions=True, postlex=postlex)


def _version(text: str) -> str:
    import lark

    return sha256(f"{lark.__version__}\0{text}".encode()).hexdigest()


def _packed(parser: Lark, version: str) -> bytes:
    from lark.grammar import Rule
    from lark.lexer import TerminalDef

    data, memo = parser.memo_serialize([TerminalDef, Rule])
    data["options"]["postlex"] = None
    encoded = msgspec.msgpack.encode(_Kept(version, _bounded(data), _bounded(memo)))
    return sha256(encoded).digest() + encoded


def _unpacked(kept: bytes, version: str, postlex: Any) -> Lark | None:
    """Return the parser that was kept; None when it is spoilt, of another version, or cannot be used."""
    from lark import Lark

    try:
        if kept[:SUM] != sha256(memoryview(kept)[SUM:]).digest():
            return None
        found = msgspec.msgpack.decode(memoryview(kept)[SUM:], type=_Kept)
        if found.version != version:
            return None
        found.data["options"]["postlex"] = postlex
        return Lark.load({"data": found.data, "memo": found.memo})
    except Exception:  # it is a file: anything may be in it, and it is compiled again and replaced
        return None


def _package() -> tuple[str, Any]:
    """Return python-hcl2's grammar, with what it lacks, and its filter of tokens.

    Importing the package hcl2 would bring its transformer, builder and formatter, none of which is used here."""
    from importlib.util import find_spec, module_from_spec, spec_from_file_location

    package = find_spec("hcl2")
    assert package is not None and package.submodule_search_locations
    folder = package.submodule_search_locations[0]
    spec = spec_from_file_location("_hcl2_postlexer", f"{folder}/postlexer.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    text = package.loader.get_data(f"{folder}/hcl2.lark").decode()  # type: ignore[union-attr]
    # !!a and -(-a) without its brackets are HCL; 1-1-1-1 is looked through once, and is no number.
    text = re.sub(r"(?m)^(!unary_op *:.*)\bexpr_term$", r"\1unary_expr", text)
    return text.replace("NEGATIVE_DECIMAL+", "NEGATIVE_DECIMAL"), module.PostLexer()


def _bounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_bounded(each) for each in value]
    return min(value, WIDEST) if isinstance(value, int) else value
