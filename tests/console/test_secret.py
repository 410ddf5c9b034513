"""What was hidden is hidden however a program writes it, and nothing else is."""

from __future__ import annotations

import base64
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.secret import LEAST, Secret, forms


def hidden(secret: str, text: str) -> str:
    for form in forms(secret):
        text = text.replace(form, "•")
    return text


@pytest.mark.parametrize("secret", ["correct horse", 'a"b\\c/d', "pässwörd-1", "it's +&?=%", "Zq9planted"])
@pytest.mark.parametrize(
    "write",
    [
        str,
        lambda secret: quote(secret, safe=""),
        quote,
        quote_plus,
        json.dumps,
        lambda secret: json.dumps(secret, ensure_ascii=False),
        shlex.quote,
        lambda secret: secret.encode().hex(),
        lambda secret: secret.replace(" ", "\\ "),
    ],
)
def test_each_way_to_write_a_secret_is_known(secret: str, write: object) -> None:
    written = write(secret)  # type: ignore[operator]
    assert written.strip("\"'") not in hidden(secret, f"said: {written}!") and "•" in hidden(
        secret, f"said: {written}!"
    )


@given(
    st.binary(max_size=8),
    st.text(min_size=8, max_size=30, alphabet=st.characters(codec="ascii", min_codepoint=33)),
    st.binary(max_size=8),
)
def test_base64_is_known_wherever_the_secret_stands_in_it(before: bytes, secret: str, behind: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        shown = hidden(secret, encode(before + secret.encode() + behind).decode())
        kept = base64.urlsafe_b64decode(
            shown.replace("•", "").replace("+", "-").replace("/", "_").rstrip("=")[: len(shown) // 4 * 4 - 4] or ""
        )
        assert secret.encode() not in kept
        assert "•" in shown


def test_a_secret_of_several_lines_is_known_line_by_line() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIBszCCAVmg\nZ2hpamtsbW5v\n-----END PRIVATE KEY-----\n"
    assert hidden(key, "read MIIBszCCAVmg, then Z2hpamtsbW5v") == "read •, then •"
    assert hidden(key, "-----END PRIVATE KEY-----") == "-----END PRIVATE KEY-----"


def test_what_is_too_short_to_be_told_from_words_is_not_looked_for() -> None:
    assert forms("a" * (LEAST - 1)) == ()
    assert hidden("yes", "yes, yesterday") == "yes, yesterday"
    assert hidden("yes!", "yes! yesterday") == "• yesterday"


def test_a_secret_shows_nothing_of_itself() -> None:
    assert "hunter" not in f"{Secret('hunter2')!r} {Secret('hunter2')} {Secret('hunter2'):>20}"
