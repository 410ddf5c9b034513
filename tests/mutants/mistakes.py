"""The small mistakes that can be made in a module: mutmut's, and those it does not make."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation import mutators

Operator = Callable[[Any], Iterable[cst.CSTNode | cst.RemovalSentinel]]


@dataclass(frozen=True)
class Mutant:
    """One mistake: where it is, its lines (stripped, joined by ` ⏎ `) before and after, the module's text with it."""

    place: str
    line: str
    becomes: str
    first: int
    last: int
    inner: bool
    """Whether it is inside a function, and so not run at import."""
    text: str

    @property
    def identity(self) -> tuple[str, str, str]:
        """What names this mistake whatever moves around it: no line number."""
        return self.place, self.line, self.becomes


def mutants(text: str) -> list[Mutant]:
    """Return every mistake that can be made in a module's text, in its order, except those that do not compile."""
    module = cst.parse_module(text)
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    finder = _Finder()
    wrapper.visit(finder)
    parts: list[cst.CSTNode] = [*module.header, *module.body, *module.footer]
    codes = [module.code_for_node(each) for each in parts]
    assert "".join(codes) == text, "the statements of the module do not make it up"
    made: dict[tuple[str, str, str, int], Mutant] = {}
    for statement, place, inner, first, last, node, changed in finder.found:
        at = next(number for number, each in enumerate(parts) if each is statement)
        piece: Any = changed if node is statement else statement.deep_replace(node, changed)
        code = module.code_for_node(piece)
        whole = "".join([*codes[:at], code, *codes[at + 1 :]])
        before, after = _difference(codes[at], code)
        if (before or after) and _compiles(whole):
            made.setdefault((place, before, after, first), Mutant(place, before, after, first, last, inner, whole))
    return list(made.values())


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _difference(text: str, changed: str) -> tuple[str, str]:
    lines = list(difflib.unified_diff(text.splitlines(), changed.splitlines(), n=0, lineterm=""))[2:]
    before, after = ([line[1:].strip() for line in lines if line.startswith(sign)] for sign in "-+")
    return " ⏎ ".join(before), " ⏎ ".join(after)


# ── what mutmut does not do ─────────────────────────────────────────────────────────────────────────────────────────


def _negated(node: cst.BaseExpression) -> cst.BaseExpression | None:
    """Return `not (node)`, or None where another mistake says the same."""
    if m.matches(node, m.UnaryOperation(operator=m.Not()) | m.Name("TYPE_CHECKING")):
        return None
    same = m.Equal() | m.NotEqual() | m.Is() | m.IsNot() | m.In() | m.NotIn()
    if m.matches(node, m.Comparison(comparisons=[m.ComparisonTarget(operator=same)])):
        return None
    inner = node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return cst.UnaryOperation(cst.Not(), inner)


def negate(node: cst.If | cst.While | cst.CompIf) -> Iterator[cst.CSTNode]:
    """Turn a condition round."""
    turned = _negated(node.test)
    if turned is not None:
        yield node.with_changes(test=turned)


def drop_operand(node: cst.BooleanOperation) -> Iterator[cst.CSTNode]:
    """Leave out one side of `and` or `or`: each condition must matter."""
    chain = isinstance(node.left, cst.BooleanOperation) and type(node.left.operator) is type(node.operator)
    for side in (node.left,) if chain else (node.left, node.right):
        yield side.with_changes(
            lpar=[cst.LeftParen(), *side.lpar], rpar=[*side.rpar, cst.RightParen()]
        )  # parentheses: a walrus or a ternary stays what it was


def drop_keyword(node: cst.Call) -> Iterator[cst.CSTNode]:
    """Leave out one keyword argument, so that its default holds."""
    for at, argument in enumerate(node.args):
        if argument.keyword is not None:
            yield node.with_changes(args=[*node.args[:at], *node.args[at + 1 :]])


def drop_statement(node: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    """Leave out a statement that only acts: a call, a raise, a return, or what is put into an object or a container."""
    if len(node.body) != 1:
        return
    acts = (
        m.Expr(value=~(m.SimpleString() | m.ConcatenatedString() | m.Ellipsis() | m.Yield()))
        | m.Raise()
        | m.Return()
        | m.Del()
        | m.Assign(targets=[m.AssignTarget(target=m.Attribute() | m.Subscript())])
    )
    if m.matches(node.body[0], acts):
        yield node.with_changes(body=[cst.Pass()])


def drop_script_line(node: cst.SimpleString) -> Iterator[cst.CSTNode]:
    """Leave out one line of a shell script that is written in the module."""
    if "\nset -" not in node.value and "\nsay()" not in node.value:
        return
    lines = node.value.split("\n")
    for at in range(1, len(lines) - 1):
        if lines[at].strip() and not lines[at].lstrip().startswith(("#", "fi", "else", "done", "esac", "}")):
            yield node.with_changes(value="\n".join([*lines[:at], *lines[at + 1 :]]))


OPERATORS: Sequence[tuple[type[cst.CSTNode], Operator]] = [
    (cst.BaseNumber, mutators.operator_number),
    (cst.Name, mutators.operator_name),
    (cst.AugAssign, mutators.operator_augmented_assignment),
    (cst.UnaryOperation, mutators.operator_remove_unary_ops),
    (cst.Call, mutators.operator_symmetric_string_methods_swap),
    (cst.Call, mutators.operator_unsymmetrical_string_methods_swap),
    (cst.CSTNode, mutators.operator_keywords),
    (cst.CSTNode, mutators.operator_swap_op),
    (cst.Match, mutators.operator_match),
    (cst.IfExp, mutators.operator_if_exp),
    (cst.If, negate),
    (cst.While, negate),
    (cst.CompIf, negate),
    (cst.BooleanOperation, drop_operand),
    (cst.Call, drop_keyword),
    (cst.SimpleStatementLine, drop_statement),
    (cst.SimpleString, drop_script_line),
]
"""Not mutmut's mistakes in words (pictures and reports hold those), nor None in a value's place (mypy holds that)."""


class _Finder(cst.CSTVisitor):
    """Collects (statement of the module, place, inside a function, first line, last line, node, what it becomes)."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[cst.CSTNode, str, bool, int, int, cst.CSTNode, Any]] = []
        self.inside: list[cst.CSTNode] = []
        self.places: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Collect a node's mistakes; what mypy or the linter holds is passed over."""
        if isinstance(node, cst.Annotation | cst.Assert | cst.Decorator | cst.Import | cst.ImportFrom):
            return False
        if isinstance(node, cst.Arg) and isinstance(self.inside[-1], cst.ClassDef):
            return False
        self.inside.append(node)
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self.places.append(node.name.value)
        for kind, operator in OPERATORS:
            if (
                len(self.inside) > 1
                and isinstance(node, kind)
                and not (operator is mutators.operator_swap_op and _boolean(node))
            ):
                where = self.get_metadata(PositionProvider, node)
                inner = any(isinstance(each, cst.FunctionDef) for each in self.inside[:-1])
                start = (self.inside[1], ".".join(self.places), inner, where.start.line, where.end.line, node)
                self.found.extend((*start, each) for each in operator(node))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        """Leave the node's place."""
        if self.inside and self.inside[-1] is original_node:
            self.inside.pop()
            if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
                self.places.pop()


def _boolean(node: cst.CSTNode) -> bool:
    """`and` for `or` tells less than leaving one side out does."""
    return isinstance(node, cst.BooleanOperation)
