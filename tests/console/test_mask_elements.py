"""Secrets in elements of XML and HTML: whose name or attribute says so, exactly what is hidden, and what is not."""

from __future__ import annotations

import pytest

from console.masking import elements

ELEMENTS = [
    # property lists
    "<key>Password</key><string>‹abc›</string>", "<key>password</key> \t<string>‹a b›</string>",
    "<key>Name</key><string>abc</string>", "<key>Password</key><string>$X</string>",
    "<key>Key</key><string>abc</string>", "<key>Name</key><string>b</string><key>DbPass</key><string>‹c›</string>",
    # by an attribute that tells whose value it is, and one that has it
    *(f'<e {each}="password" value="‹abc›"/>' for each in ("name", "key", "id", "property", "NAME")),
    *(f'<e name="password" {each}="‹abc›"/>' for each in ("content", "val", "default", "data", "secret", "text")),
    '<e name="password" VALUE="‹abc›"/>',
    "<e key='password' value='‹abc›'/>", "<e key=password value=‹abc›>", "<e key = password value = '‹a c›' />",
    '<e value="‹abc›" key="password"/>', '<e value="‹abc›" hidden name="password">', '<e name="password" other="abc"/>',
    '<e name="user" value="abc"/>', '<e name="password" value="$X"/>', '<e name="auth" value="‹abc›"/>',
    '<e name="password" id="x" value="‹abc›"/>', '<e name="x" id="password" value="abc"/>',
    '<e name="password" value="‹a›" default="‹b›"/>', '<e value="abc"/>',
    # by the element's own name
    '<password value="‹abc›"/>', '<password mode="x">‹abc›</password>', '<password mode="x">abc<b>',
    '<e name="password" x="y">value=abc<b>',
    '<e mode="x">abc</e>',
    '<password name="x" value="‹abc›"/>', '<port name="x" value="xK3f9QzL2mWp8"/>',
    # a name that says it less surely needs a value that looks like one
    '<key name="api" value="‹xK3f9QzL2mWp8›"/>', '<key name="api" value="abc"/>', '<key value="xK3f9QzL2mWp8"/>',
    '<key name="api_port" value="xK3f9QzL2mWp8"/>',
    # what it holds
    '<e name="db.password">‹abc›</e>', '<e name="db.password">$X</e>', '<e name="db.password">abc',
    '<e name="db.password" value="‹a›">‹b›</e> <e name="x">c</e> <e id="pass">‹d›</e>', '<e name="user">abc</e>',
]  # fmt: skip
"""Lines, with ‹› around what is hidden."""


@pytest.mark.parametrize("marked", ELEMENTS)
def test_of_an_element_its_value_is_hidden_exactly(marked: str) -> None:
    text = marked.replace("‹", "").replace("›", "")
    shown = text
    for start, end in sorted(elements.spans(text), reverse=True):
        shown = f"{shown[:start]}‹{shown[start:end]}›{shown[end:]}"
    assert shown == marked


OPENED = [
    ("<password>", "password"), (" \t<password> \r", "password"), ("<password mode='x'>", "password"), ("<key>", ""),
    ("<e>", ""), ("<ab>", ""), ("<password>abc", ""), ("a <password>", ""), ("</password>", ""),
    ('<entry name="password">', "entry"), ("<entry id='password'>", "entry"), ('<entry NAME="password">', "entry"),
    ('<entry value="password">', ""), ('<entry name="user">', ""), ('<entry name="user" id="password">', ""),
    ('<entry name="password" id="user">', "entry"), ("<entry name=password>", ""),
    ('<entry mode="x" key="password">', "entry"),
]  # fmt: skip
"""Lines, and the name of the element whose content on the lines below is a secret."""


@pytest.mark.parametrize(("text", "name"), OPENED)
def test_an_element_that_is_opened_alone_on_a_line_is_known_by_its_name(text: str, name: str) -> None:
    assert elements.opened(text) == name
