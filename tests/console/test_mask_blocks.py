"""Blocks in braces that are a secret's: which parts of which lines are inside, to the column."""

from __future__ import annotations

import pytest

from console.masking.blocks import Blocks
from console.masking.found import LONGEST


def marked(text: str) -> str:
    """The text with ‹› around what is inside of a secret's block; ‹› at the ends of a line that is so as a whole."""
    lines = text.split("\n")
    rows = Blocks(lines).rows()
    for row, parts in rows.items():
        for start, end in sorted(parts, reverse=True):
            assert 0 <= start <= end and (end <= len(lines[row]) or end == LONGEST + 1), (row, start, end)
            lines[row] = f"{lines[row][:start]}‹{lines[row][start:end]}›{lines[row][end:]}"
    return "\n".join(lines)


SECRET = {
    "a variable": 'variable "root_password" ‹{›\n‹  default = 1›\n‹}›\nx = 1',
    "on one line": 'variable "root_password" ‹{ default = 1 }› x',
    "two on one line": '{"password":‹{"a":1}›,"b":{"c":1},"token":‹{"d":1}›}',
    "a label of several": 'resource "vault_token" "x" ‹{›\n‹  a = 1›\n‹}›',
    "the second label": 'resource "x" "admin_token" ‹{›\n‹  a = 1›\n‹}›',
    "no label that says it": 'resource "x" "y" {\n  a = 1\n}',
    "the kind of a block is no label": 'password "x" {\n  a = 1\n}',
    "a word before the key": 'x password = ‹{›\n‹a = 1›\n‹}›',
    "only the key counts": "password x = {\na = 1\n}",
    "a key of JSON": '"password": ‹{›\n‹"a": 1›\n‹}›,\n"b": 1',
    "a call": "password(x) {\n  a\n}",
    "a call that is a value": "password = merge(x, {\na = 1\n})",
    "no word at all": " {\n a\n}",
    "secrets of compose": "secrets: {\n  a: 1\n}",
    "secrets of HCL": "secrets = ‹{›\n‹  a = 1›\n‹}›",
    "other secrets of compose": "db_secrets: ‹{›\n‹  a: 1›\n‹}›",
    "a name kept elsewhere": "password = ${\na\n}",
    "a name and its default": 'x = "${password}"\ny = {\n}',
    "blocks in one": 'variable "token" ‹{›\n‹  a = {›\n‹    b = 1›\n‹  }›\n‹  c = 1›\n‹}›\nd = 1',
    "a secret's in one": 'x = {\n  token = ‹{›\n‹    b = 1›\n‹  }›\n  c = 1\n}',
    "a secret's in a secret's": 'variable "token" ‹{›\n‹  password = {›\n‹    b = 1›\n‹  }›\n‹  c = 1›\n‹}›\nd = 1',
    "on one line in another": 'token = ‹{›\n‹  password = { b = 1 }›\n‹  c = 1›\n‹}›\nd = 1',
    "a second behind the first": 'token = ‹{›\n‹  a = 1›\n‹}›, password = ‹{›\n‹  b = 1›\n‹}› c',
    "three on one line": "a = 1\ntoken = ‹{ a = 1 }›, x = { b = 1 }, pw = ‹{ c = 1 }›, d",
    "sensitive below": 'variable "x" ‹{›\n‹  default = 1›\n‹  sensitive = true›\n‹}›\ny = 1',
    "sensitive above": 'variable "x" ‹{›\n‹  sensitive = true›\n‹  default = 1›\n‹}›\ny = 1',
    "not sensitive": 'variable "x" {\n  sensitive = false\n}',
    "sensitive of another name": 'variable "x" {\n  nonsensitive = true\n  sensitive = trueish\n}',
    "sensitive in JSON": '{\n  "x": ‹{›\n‹    "value": 1,›\n‹    "sensitive": true›\n‹  }›\n}',
    "sensitive in quotes": "x = ‹{ 'sensitive': true }›",
    "sensitive in a string": 'x = ‹{ a = "sensitive = true" }›',
    "sensitive in a remark": 'x = {\n  # sensitive = true\n  // sensitive = true\n}',
    "braces in a string": 'token = ‹{›\n‹  a = "}"›\n‹  b = 1›\n‹}›\nc = 1',
    "braces in a remark": "token = ‹{›\n‹  # }›\n‹  // }›\n‹  b = 1›\n‹}›\nc = 1",
    "an escape in a string": 'token = ‹{›\n‹  a = "\\"}"›\n‹}›\nc = 1',
    "by its type": '{\n  "x": ‹{›\n‹    "type": "random_password",›\n‹    "y": 1›\n‹  }›\n}',
    "of another type": '{\n  "type": "random_pet",\n  "y": 1\n}',
    "more closed than opened": "}\n} token = ‹{›\n‹a›\n‹}›",
    "never closed": "token = ‹{›\n‹  a = 1›\n‹  b = 1›",
    "never closed before another": 'variable "token" ‹{›\n‹  a = 1›\nvariable "x" {\n  b = 1\n}',
    "never closed, and no other": 'token = ‹{›\n‹  a = 1›\n‹  variable "x" {›\n‹  b = 1›\n‹}›',
    "a word that begins as one": 'token = ‹{›\n‹dataset = { }›\n‹  b = 1›\n‹}›',
    "a word that is one": 'token = ‹{›\n‹a = 1›\ndata "x" "y" { }\nb = 1',
    "a word of two letters": 'token = ‹{›\n‹a = 1›\n‹x data "x" { }›\n‹b = 1›',
    "without its beginning": "‹  a = 1›\n‹  sensitive = true›",
    "without its beginning, behind another": "x = {\n}\n‹  a = 1›\n‹  b = 1›\n‹  sensitive = true›\n‹  c = 1›",
    "without its beginning, behind what is opened": "x = { }\ny\nz }\n‹  a = 1›\n‹  sensitive = true›\n‹}›\nd",
    "only the line itself": "‹  sensitive = true›",
    "only the line itself, behind another": "}\n‹  sensitive = true›\n‹}›\nx",
    "closed on the line of another": "token = ‹{›\n‹ password = {›\n‹ b }}›\nc",
    "one behind those in each other": "token = ‹{›\n‹ password = {›\n‹ b›\n‹ }›\n‹}›\npw = ‹{›\n‹c›\n‹}›\nd",
    "without its beginning, behind a brace in a remark": "x\n# {\n‹a›\n‹b›\n‹c›\n‹sensitive = true›",
    "without its beginning, behind two": "x\n# }\n‹a›\n‹b›\n‹c›\n‹sensitive = true›",
    "a name in a call": "x = f(token ‹{ a }›)",
    "a name in a call that is no value": "f(token { a })",
    "a set of Helm's that is sensitive": 'set_sensitive ‹{›\n‹  name = "x"›\n‹}›\nset {\n}',
    "a word behind that": "set_sensitive x {\n a\n}",
    "an empty name": '"" {\n  a\n}',
}  # fmt: skip


@pytest.mark.parametrize("text", SECRET.values(), ids=SECRET)
def test_a_secrets_block_is_found_to_the_column(text: str) -> None:
    assert marked(text.replace("‹", "").replace("›", "")) == text


@pytest.mark.parametrize(("above", "inside"), [(48, 49), (49, 50), (50, 51), (51, 51), (80, 51)])
def test_of_a_block_whose_opening_is_not_there_fifty_lines_are_inside(above: int, inside: int) -> None:
    lines = [*["  a = 1"] * above, "  sensitive = true"]
    assert len(Blocks(lines).rows()) == inside
    assert min(Blocks(lines).rows()) == above + 1 - inside


def test_a_line_too_long_to_look_through_opens_and_closes_nothing() -> None:
    for length, inside in ((LONGEST, True), (LONGEST + 1, False)):
        line = "token = {".rjust(length)
        assert bool(Blocks([line, "a", "}"]).rows()) is inside


def test_a_label_is_looked_for_in_the_two_hundred_characters_before_its_brace() -> None:
    assert Blocks([f"token{' ' * 195}{{ a }}"]).rows()
    assert not Blocks([f"token{' ' * 196}{{ a }}"]).rows()
