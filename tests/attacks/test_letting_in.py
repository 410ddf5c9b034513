"""An sshd that takes more from its clients than their command: what the pusher's key could do then."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.flows.certificate_sync import letting_in
from tests.console.flows.cases import certificate_sync as sync
from tests.console.flows.walking import walk


@pytest.mark.parametrize("pattern", ["*", "BASH_*", "LD_*", "?ASH_ENV", "P*"])
async def test_no_key_is_let_in_where_sshd_takes_variables_that_run_something(pattern: str, tmp_path: Path) -> None:
    """BASH_ENV=/dev/stdin has root's shell run what is sent, before the one command that the key may run."""
    sync.build(tmp_path)
    sshd = tmp_path / "vm/bin/sshd"
    sshd.write_text(f"#!/bin/sh\nprintf 'port 22\\nacceptenv LANG\\nacceptenv LC_*\\nacceptenv %s\\n' '{pattern}'\n")
    sshd.chmod(0o755)
    ending = await walk(sync.CASE, tmp_path, lambda event: None)
    assert ending is not None and ending.outcome == "refused"
    assert f"takes {pattern} from its clients (AcceptEnv)" in ending.words
    assert (tmp_path / "vm/root/.ssh/authorized_keys").read_text() == sync.OTHERS


def test_what_distributions_let_clients_set_is_not_refused() -> None:
    assert not letting_in.harmful("LANG\nLC_*\nCOLORTERM\nNO_COLOR\nXMODIFIERS\nTERM\nGIT_PROTOCOL\n")
