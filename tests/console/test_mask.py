"""Secrets in the operator's files never reach the screen; everything else does, unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assets
from console.mask import mask


@pytest.mark.parametrize(
    "line",
    [
        "DBPASS=hunter2",
        "DBROOT=x\nREDISPASS=hunter2",
        'password = "hunter2"',
        '  admin_password: "hunter2"',
        "API_KEY=hunter2",
        "      - MYSQL_ROOT_PASSWORD=hunter2",
        "client_secret: hunter2 # a remark",
        "    user admin insecure-password hunter2",
        "    user admin password hunter2",
        "    stats auth admin:hunter2",
        "    setenv DB_PASSWORD hunter2",
        '    presetenv api_key "hunter2"',
        '"token" = "hunter2",',
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
    ],
)
def test_a_secret_is_hidden_and_its_line_stays(line: str) -> None:
    shown = mask(line)
    assert "hunter2" not in shown
    assert shown.count("\n") == line.count("\n")


@pytest.mark.parametrize(
    "line",
    [
        "password = var.admin_password",
        "- MYSQL_PASSWORD=${DBPASS}",
        "HTTP_PORT=8080",
        "    server mailcow 10.10.10.214:10025 send-proxy check port 10025",
        "# set the password in mailcow.conf",
        "passdb {",
        "    setenv MAIL_HOST 10.10.10.214",
    ],
)
def test_what_is_no_secret_stays_as_it_is(line: str) -> None:
    assert mask(line) == line


def test_the_sample_estate_has_nothing_to_hide() -> None:
    for file in (Path(assets.__file__).parent / "lab").iterdir():
        assert mask(file.read_text()) == file.read_text()


@given(st.text())
def test_lines_stay_lines(text: str) -> None:
    assert mask(text).count("\n") == text.count("\n")
