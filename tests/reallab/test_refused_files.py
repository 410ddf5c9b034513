"""The lines that Postfix and Dovecot do not take, asked of postconf and doveconf themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.console.sources.test_refused import DOVECOT, POSTFIX


def said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False).stderr


def test_postfix_and_dovecot_refuse_what_is_said_to_be_refused(tmp_path: Path) -> None:
    (tmp_path / "master.cf").touch()
    for text, lines in POSTFIX:
        (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n" + text)
        words = said("/usr/sbin/postconf", "-c", str(tmp_path), "myorigin")
        spoilt = "unused parameter: ???a=b" in words  # a byte order mark is a part of the name, and nobody reads that
        assert ("fatal" in words or spoilt) == bool(lines), text
    conf = tmp_path / "dovecot.conf"
    for text, places in DOVECOT:
        conf.write_text(text)
        assert ("Fatal" in said("/usr/bin/doveconf", "-c", str(conf), "mail_debug")) == bool(places), text
