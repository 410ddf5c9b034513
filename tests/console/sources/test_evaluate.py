"""Expressions and functions: the outcome is OpenTofu's own, as recorded; what is not known says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.sources.opentofu import syntax
from console.sources.opentofu.scope import Root, Scope
from console.sources.opentofu.values import Expression, Value

CASES: list[tuple[str, str | None]] = json.loads((Path(__file__).parent / "cases/expressions.json").read_text())[
    "cases"
]

LEFT_OUT = {'yamldecode("a: [1, 2]")', 'regex("[a-z]+", "12ab")', 'transpose({a = ["x"]})', "pow(2, 3)"}
LEFT_OUT |= {'matchkeys(["a", "b"], ["x", "y"], ["y"])'}


def worked(expression: str, around: str = "", root: Root | None = None) -> Value:
    scope = Scope([syntax.parse(f"locals {{\n  it = {expression}\n}}\n{around}", "main.tf")], root=root)
    return scope.value(Expression("local.it"))


def close(ours: object, theirs: object) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return abs(ours - theirs) < 1e-9
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(close(a, b) for a, b in zip(ours, theirs, strict=True))
    return ours == theirs and type(ours) is type(theirs)


@pytest.mark.parametrize(("expression", "answer"), CASES, ids=[expression for expression, _ in CASES])
def test_the_outcome_is_opentofu_s_own(expression: str, answer: str | None) -> None:
    found = worked(expression)
    if answer is None or expression in LEFT_OUT:
        assert isinstance(found, Expression)
        assert found.reason
    else:
        assert close(found, json.loads(answer))


AROUND = """
variable "none" {}
variable "five" { default = "5" }
variable "typed" {
  type    = object({ a = optional(number, 3), b = string })
  default = { b = 7 }
}
variable "names" {
  type    = set(string)
  default = ["b", "a", "b"]
}
resource "incus_instance" "many" {
  for_each = var.names
  name     = "vm-${each.key}"
}
resource "incus_instance" "some" {
  count = var.five - 3
  name  = "n${count.index}"
}
locals {
  table = { one = { port = 25 }, two = { port = 80 } }
  here  = [1, 2, 3]
}
"""


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("var.five + 1", 6),
        ("var.typed", {"a": 3, "b": "7"}),
        ("var.names", ["a", "b"]),
        ("local.table.one.port", 25),
        ('local.table["two"]["port"]', 80),
        ("local.here[length(local.here) - 1]", 3),
        ("[for k, v in local.table : v.port if k != var.none || true]", [25, 80]),
        ('incus_instance.many["a"].name', "vm-a"),
        ("incus_instance.some[1].name", "n1"),
        ("incus_instance.some[*].name", ["n0", "n1"]),
        ("[for each in incus_instance.many : each.name]", ["vm-a", "vm-b"]),
        ("try(local.table.three.port, 4190)", 4190),
        ("try(local.here[7], local.here[0])", 1),
        ("can(local.table.three)", False),
        ("true || var.none", True),
        ("true ? 1 : var.none", 1),
        ("path.module", "."),
        ('"<${join(",", sort(keys(local.table)))}>"', "<one,two>"),
        ('cidrhost(format("10.%d.0.0/24", var.five), 10)', "10.5.0.10"),
        ("<<-E\n    a\n    %{~ for n in local.here }\n    n${n}\n    %{~ endfor }\n  E", "a\nn1\nn2\nn3\n"),
        ('{ (var.five) = 1, "x${var.five}" = 2 }', {"5": 1, "x5": 2}),
        ('merge(local.table.one, { host = "h" }).host', "h"),
    ],
)
def test_references_lead_to_their_values(expression: str, value: Value) -> None:
    assert worked(expression, AROUND) == value


def test_a_sum_of_thousands_is_worked_out() -> None:
    assert worked("1" + " + 1" * 3000) == 3001


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("var.none", "var.none has no default, and no file gives it one"),
        ("var.none + 1", "var.none has no default, and no file gives it one"),
        ('"x-${var.none}"', "var.none has no default, and no file gives it one"),
        ("upper(var.none)", "var.none has no default, and no file gives it one"),
        ("[var.none][0]", "var.none has no default, and no file gives it one"),
        ("length({ (var.none) = 1 })", "not all of its keys are known"),
        ("keys(incus_instance.some[0])", "not all of its keys are known"),
        ("incus_instance.some[0].ipv4_address", "the provider decides it"),
        ("data.thing.it.name", "data.thing.it is declared nowhere in these files"),
        ("module.gone.name", "module.gone is declared nowhere in these files"),
        ("timestamp()", "timestamp() differs with each run"),
        ('rsadecrypt("a", "b")', "rsadecrypt() is not worked out here"),
        ("terraform.workspace", "that is known only when tofu runs"),
        ("try(var.none, 1)", "var.none has no default, and no file gives it one"),
        ("can(var.none)", "var.none has no default, and no file gives it one"),
        ("local.here[9]", "tofu would refuse it: it has no 9"),
        ("1 / 0", "tofu would refuse it: division by zero"),
        ('"a" + 1', "tofu would refuse it: a number is needed"),
        ("local.it", "it asks for itself"),
        ('file("/etc/passwd")', "a file outside of the folder is not read"),
        ('file("../secret")', "a file outside of the folder is not read"),
        ('file("${path.module}/a/../../secret")', "a file outside of the folder is not read"),
        ('file("gone")', "the file is not there, or cannot be read"),
        ("range(0, 99999)", "tofu would refuse it: range() of more than 1024 numbers"),
        ("[for a in range(1000) : [for b in range(1000) : b]][0][0]", "there is too much of it to work out here"),
        ("99999999999999999999 * 1e300", "it grows too large to work out here"),
    ],
)
def test_what_is_not_known_says_why(expression: str, reason: str) -> None:
    found = worked(expression, AROUND)
    assert isinstance(found, Expression)
    assert found.reason == reason


FILES = {"motd": "hello\n", "user.tftpl": '%{ for k in keys }key ${k}\n%{ endfor }${prefix}${try(var.five, "")}'}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('file("motd")', "hello\n"),
        ('file("${path.module}/motd")', "hello\n"),
        ('templatefile("user.tftpl", { keys = ["a", "b"], prefix = "p" })', "key a\nkey b\np"),
    ],
)
def test_a_file_in_the_folder_is_read(expression: str, value: str) -> None:
    assert worked(expression, AROUND, Root(files=FILES.get)) == value


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("", "[1]", "[1]"),
        ("type = string", "5", "5"),
        ("type = number", "5", 5),
        ("type = bool", "true", True),
        ("type = list(number)", "[1, 2]", [1, 2]),
        ("type = map(string)", "{ a = 1 }", {"a": "1"}),
    ],
)
def test_a_tf_var_is_read_by_its_variable_s_type(kind: str, written: str, value: Value) -> None:
    around = f'variable "given" {{\n  {kind}\n}}\n'
    assert worked("var.given", around, Root(environment={"given": written})) == value
