"""The lines of a public certificate are shown, whole and in a diff; what only stands between its marks is hidden."""

from __future__ import annotations

from base64 import b64encode

import pytest

from console.mask import mask

KEY = "RGV2rWJT4lL0xhJd/mE6DKQhOGOJ5fkTEpgGQFlxHhQ="
"""A certificate's last line may look like a key of WireGuard's."""


def certificate(*, true: bool = True) -> str:
    der = b"0\x82" + (700 if true else 699).to_bytes(2, "big") + b"\xa7" * 668  # its lines begin with p
    body = b64encode(der).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, KEY, "-----END CERTIFICATE-----", ""])


@pytest.mark.parametrize("lead", ["", "    ", "+", "-", " "])
def test_a_certificate_is_shown_as_it_is(lead: str) -> None:
    text = "".join(f"{lead}{line}\n" for line in certificate().split("\n"))
    assert KEY in text and mask(text) == text


def test_a_line_of_a_certificate_taken_out_is_no_password_on_a_command_line() -> None:
    text = "".join(f"-{line}\n" for line in certificate().split("\n"))
    assert "\n-p" in text and mask(text) == text


def test_a_key_between_the_marks_of_a_certificate_that_is_none_is_hidden() -> None:
    assert KEY not in mask(certificate(true=False))
    assert KEY not in mask(f"-----BEGIN CERTIFICATE-----\n{KEY}\n-----END CERTIFICATE-----\n")
    assert KEY not in mask(certificate().replace("-----END CERTIFICATE-----", "password=x"))
