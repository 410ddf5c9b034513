"""lark's raw tree of HCL to values with their places."""

from __future__ import annotations

import re
from math import isfinite
from sys import intern
from typing import TYPE_CHECKING

from console.errors import InputError
from console.model import Span
from console.sources.opentofu.scan import Large, Scan
from console.sources.opentofu.template import Piece, Unclosed, assemble, heredoc
from console.sources.opentofu.values import Attribute, Block, Expression, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lark import Token, Tree

_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_WORDS = ("identifier", "keyword", "literal_value", "int_lit", "float_lit")
_LITERALS = {"true": True, "false": False, "null": None}
_REFERENCE = re.compile(r"[^\W\d][\w-]*(?:\.(?:[^\W\d][\w-]*|\d+)|\[(?:\d+|\"[^\"\\$%]*\")\])*")


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        number = int(code[1:], 16)
        if 0xD800 <= number < 0xE000:
            return "\ufffd"  # half a pair is no character: OpenTofu's reader writes this one, too
        return chr(number) if number < 0x110000 else match[0]
    return _ESCAPED.get(code, match[0])


_NOWHERE: dict[str, Span] = {}

LONGEST = 100
"""Operators in a row whose every beginning keeps its text."""


class Walk:
    """Walks one text; `read` reads an expression out of a heredoc, `pieces` gives the trees of what is parsed apart."""

    def __init__(
        self,
        scan: Scan,
        file: str,
        read: Callable[[str], Value],
        pieces: Callable[[Large], Iterator[tuple[int, Tree[Token]]]],
    ) -> None:
        self.scan, self.text, self.file, self.read, self.pieces = scan, scan.text, file, read, pieces
        self.base = 0
        """Where in the text the tree's own text begins."""

    def body(self, tree: Tree[Token]) -> tuple[tuple[Attribute, ...], tuple[Block, ...]]:
        """Return the attributes and blocks of a body."""
        attributes: list[Attribute] = []
        blocks: list[Block] = []
        for child in trees(tree):
            if child.data == "attribute":
                attributes.append(self._attribute(child))
            elif child.data == "block":
                blocks.append(self._block(child))
        return tuple(attributes), tuple(blocks)

    def bodies(self, large: Large) -> tuple[tuple[Attribute, ...], tuple[Block, ...]]:
        """Return the attributes and blocks of a file, or of a block's large body."""
        attributes: list[Attribute] = []
        blocks: list[Block] = []
        before = self.base
        for base, tree in self.pieces(large):
            self.base = base
            more = self.body(trees(tree)[0])
            attributes += more[0]
            blocks += more[1]
        self.base = before
        return tuple(attributes), tuple(blocks)

    def _attribute(self, tree: Tree[Token]) -> Attribute:
        within = trees(tree)
        name, value = within[0], within[-1]
        places: dict[str, Span] = {}
        return Attribute(self._word(name), self.value(value, places), self._span(tree), places or _NOWHERE)

    def _block(self, tree: Tree[Token]) -> Block:
        *names, inner = [child for child in trees(tree) if child.data != "new_line_or_comment"]
        labels = tuple(name(self.value(child)) for child in names[1:])
        large = self.scan.large.get(self.base + tree.meta.end_pos - 1)
        attributes, blocks = self.bodies(large) if large else self.body(inner)
        line, column = self.scan.place(self.base + tree.meta.start_pos)
        end_line, end = self.scan.place(self.base + names[-1].meta.end_pos)
        last = self.scan.place(self.base + tree.meta.end_pos)[0]
        span = Span(self.file, line, column, end if end_line == line else 0)
        return Block(self._word(names[0]), labels, attributes, blocks, span, last)

    def _span(self, tree: Tree[Token]) -> Span:
        line, column = self.scan.place(self.base + tree.meta.start_pos)
        last = self.base + tree.meta.end_pos
        if last - 1 in self.scan.heredocs:
            return Span(self.file, line, column, 0)
        end_line, end = self.scan.place(self._end(last))
        return Span(self.file, line, column, end if end_line == line else 0)

    def _end(self, offset: int) -> int:
        """Return where a tree ends that ends there for the grammar, which gives operations the blanks after them."""
        while self.scan.masked[offset - 1 : offset].isspace():
            offset -= 1
        large = self.scan.large.get(offset - 1)
        return large.end + 1 if large and large.opener else offset

    def _word(self, tree: Tree[Token]) -> str:
        return intern(self.text[self.base + tree.meta.start_pos : self._end(self.base + tree.meta.end_pos)])

    def source(self, tree: Tree[Token]) -> str:
        """Return a tree's text, on one line."""
        return " ".join(self._word(tree).split())

    def value(self, tree: Tree[Token], places: dict[str, Span] | None = None) -> Value:
        """Return a literal as it is, anything else as an `Expression`; an object's keys go into `places`."""
        kind = tree.data
        while kind == "expr_term":
            tree = trees(tree)[0]
            kind = tree.data
        if kind == "identifier":
            offset = self.base + tree.meta.start_pos
            if large := self.scan.large.get(offset):
                return self._apart(large, places if places is not None else {})
            found = self.scan.heredocs.get(offset)
            if found is None:
                return Expression(self._word(tree))
            begin, end, _, trim = found
            return heredoc(self.text[begin:end], trim, self.read)
        if kind == "literal_value":
            return _LITERALS[str(tree.children[0])]
        if kind == "string":
            return self._string(tree)
        if kind in ("get_attr_expr_term", "index_expr_term"):
            return self._steps(tree)
        maker = _MAKERS.get(kind)
        if maker is not None:
            return maker(self, tree)
        if kind == "object":
            return self._object(tree, places if places is not None else {})
        return Expression(self.source(tree))

    def _string(self, tree: Tree[Token]) -> Value:
        pieces: list[str | Piece] = []
        plain = True
        for part in trees(tree):
            for child in part.children:
                if isinstance(child, str):
                    escaped = child.type.startswith("ESCAPED")
                    pieces.append(child[1:] if escaped else _ESCAPE.sub(_unescape, child) if "\\" in child else child)
                else:
                    plain = False
                    pieces.append(self._piece(child))
        if plain:
            return "".join(piece for piece in pieces if isinstance(piece, str))
        source = self.source(tree)[1:-1]
        try:
            return Expression(source, parts=assemble(pieces))
        except Unclosed:
            return Expression(source)

    def _piece(self, tree: Tree[Token]) -> Piece:
        kind = str(tree.data)
        within = trees(tree)
        left = self.base + tree.meta.start_pos in self.scan.strips
        right = self.base + tree.meta.end_pos - 1 in self.scan.strips
        if kind == "interpolation":
            return Piece("value", self.value(within[0]), (), left, right)
        names = tuple(self._word(child) for child in within[:-1])
        value = self.value(within[-1]) if within else None
        return Piece(kind.removeprefix("template_").removesuffix("_start"), value, names, left, right)

    def _number(self, tree: Tree[Token]) -> Value:
        source = self.source(tree).replace(" ", "")
        try:
            number = int(source) if tree.data != "float_lit" else float(source)
        except ValueError:
            return Expression(source)
        if isinstance(number, float) and not isfinite(number):
            return Expression(source)
        return int(number) if number == int(number) and abs(number) < 1e15 else number

    def _unary(self, tree: Tree[Token]) -> Value:
        operand = self.value(trees(tree)[0])
        if str(tree.children[0]) == "!":
            return Expression(self.source(tree), call="!", arguments=(operand,))
        if isinstance(operand, int | float) and not isinstance(operand, bool):
            return -operand
        return Expression(self.source(tree), call="neg", arguments=(operand,))

    def _tuple(self, tree: Tree[Token]) -> Value:
        return [self.value(child) for child in trees(tree)]

    def _object(self, tree: Tree[Token], places: dict[str, Span]) -> Value:
        pairs = self._pairs(tree, places)
        if any(isinstance(key, Expression) for key in pairs[::2]):
            return Expression(self.source(tree), call="{}", arguments=tuple(pairs))
        return {name(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=True)}

    def _pairs(self, tree: Tree[Token], places: dict[str, Span]) -> list[Value]:
        """Return an object's keys and values in turn."""
        pairs: list[Value] = []
        for element in trees(tree):
            if element.data != "object_elem":
                continue
            within = trees(element)
            inner = trees(within[0])
            key = self._key(inner[0]) if inner else self.source(within[0])
            pairs += [key, self.value(within[-1])]
            places[name(key)] = self._span(element)
        return pairs

    def _apart(self, large: Large, places: dict[str, Span]) -> Value:
        """Return a large list or object."""
        found: list[Value] = []
        before = self.base
        for base, tree in self.pieces(large):
            self.base = base
            part = trees(trees(trees(tree)[0])[0])[-1]
            while part.data == "expr_term":
                part = trees(part)[0]
            if part.data not in ("tuple", "object"):
                raise InputError(self.file, *self.scan.place(self.base), 'this is not HCL: "for" cannot stand here')
            found += [self.value(each) for each in trees(part)] if part.data == "tuple" else self._pairs(part, places)
        self.base = before
        if large.opener == "[":
            return found
        if any(isinstance(key, Expression) for key in found[::2]):
            source = " ".join(self.text[large.begin - 1 : large.end + 1].split())
            return Expression(source, call="{}", arguments=tuple(found))
        return {name(key): value for key, value in zip(found[::2], found[1::2], strict=True)}

    def _key(self, tree: Tree[Token]) -> Value:
        """Return an object's key: a lone word is its own name, what stands in brackets or templates is computed."""
        if tree.data == "expr_term" and tree.children and str(tree.children[0]) != "(":
            inner = trees(tree)
            if len(inner) == 1 and inner[0].data in _WORDS:
                return self._word(inner[0])
        if tree.data in _WORDS:
            return self._word(tree)
        return self.value(tree)

    def _call(self, tree: Tree[Token]) -> Value:
        function, *rest = trees(tree)
        if rest and rest[0].data == "identifier":
            return Expression(self.source(tree), call=self._word(function) + "::", arguments=())
        arguments = next((child for child in rest if child.data == "arguments"), None)
        values: list[Value] = []
        if arguments is not None:
            values = [self.value(child) for child in trees(arguments)]
            if any(isinstance(child, str) and child == "..." for child in arguments.children):
                values[-1] = Expression("...", call="...", arguments=(values[-1],))
        return Expression(self.source(tree), call=self._word(function), arguments=tuple(values))

    def _conditional(self, tree: Tree[Token]) -> Value:
        values = tuple(self.value(child) for child in trees(tree))
        return Expression(self.source(tree), call="?", arguments=values)

    def _binary(self, tree: Tree[Token]) -> Value:
        # 1 + 1 + 1 … is a tree as deep as it is long.
        terms: list[tuple[Tree[Token], Tree[Token]]] = []
        while tree.data == "binary_op":
            left, term = trees(tree)[:2]
            terms.append((tree, term))
            tree = left
        found = self.value(tree)
        for whole, term in reversed(terms):
            operator, right = trees(term)[0], trees(term)[-1]
            sign = str(operator.children[0]).split()[-1]
            source = self.source(whole) if len(terms) < LONGEST else "…"
            found = Expression(source, call=sign, arguments=(found, self.value(right)))
        return found

    def _steps(self, tree: Tree[Token]) -> Value:
        source = self.source(tree)
        if _REFERENCE.fullmatch(source):
            return Expression(source)
        steps: list[Value] = []
        base = tree
        while base.data in ("get_attr_expr_term", "index_expr_term") or (
            base.data == "expr_term" and len(base.children) == 1
        ):
            within = trees(base)
            if base.data != "expr_term":
                steps.append(self._step(within[1]))
            base = within[0]
        return Expression(source, call=".", arguments=(self.value(base), *reversed(steps)))

    def _step(self, tree: Tree[Token]) -> Value:
        """Return .name as a text, [expression] as its value."""
        if tree.data == "get_attr":
            return self._word(trees(tree)[0])
        if tree.data == "short_index":
            return int(str(tree.children[-1]).lstrip(".")[:9])
        return self.value(trees(tree)[0])

    def _splat(self, tree: Tree[Token]) -> Value:
        base, splat = trees(tree)
        within = trees(splat)
        # a.*.b[0] is (a.*.b)[0], but a[*].b[0] takes the first of each.
        cut = next((n for n, step in enumerate(within) if step.data != "get_attr"), len(within))
        inner, outer = (within[:cut], within[cut:]) if splat.data == "attr_splat" else (within, [])
        steps = tuple(self._step(step) for step in inner)
        found = Expression(self.source(tree), call="[*]", arguments=(self.value(base), *steps))
        if not outer:
            return found
        return Expression(found.text, call=".", arguments=(found, *(self._step(step) for step in outer)))

    def _for(self, tree: Tree[Token]) -> Value:
        intro, *rest = trees(tree)
        condition = next((trees(child)[0] for child in rest if child.data == "for_cond"), None)
        *key, value = [child for child in rest if child.data != "for_cond"]
        *names, collection = trees(intro)
        grouped = any(isinstance(child, str) and child == "..." for child in tree.children)
        arguments: tuple[Value, ...] = (
            [self._word(each) for each in names],
            self.value(collection),
            self.value(key[0]) if key else None,
            self.value(value),
            True if condition is None else self.value(condition),
            grouped,
        )
        return Expression(self.source(tree), call="for", arguments=arguments)


_MAKERS: dict[str, Callable[[Walk, Tree[Token]], Value]] = {
    "int_lit": Walk._number,
    "float_lit": Walk._number,
    "unary_op": Walk._unary,
    "tuple": Walk._tuple,
    "function_call": Walk._call,
    "conditional": Walk._conditional,
    "binary_op": Walk._binary,
    "attr_splat_expr_term": Walk._splat,
    "full_splat_expr_term": Walk._splat,
    "for_tuple_expr": Walk._for,
    "for_object_expr": Walk._for,
}


def trees(tree: Tree[Token]) -> list[Tree[Token]]:
    """Return the children that are no tokens, nor newlines."""
    return [child for child in tree.children if not isinstance(child, str) and child.data != "new_line_or_comment"]


def name(value: Value) -> str:
    """Return a key or label as text; a computed one by its source."""
    return value.text if isinstance(value, Expression) else str(value)
