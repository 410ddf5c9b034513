"""`--lab --empty`: a rehearsal of its own, from a VM as OpenTofu made it."""

from __future__ import annotations

import pytest

from console.__main__ import main


def test_an_empty_rehearsal_is_its_own_and_goes_with_the_lab_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from console.lab.client import Lab

    with pytest.raises(SystemExit, match="2"):
        main(["--empty", "check"])
    assert "--empty goes with --lab" in capsys.readouterr().err
    assert main(["flow", "install-mailcow", "--plan", "--lab", "--empty"]) == 1
    assert "no volume is mounted at /var/lib/docker and /opt" in capsys.readouterr().out
    monkeypatch.setattr(Lab, "find_running", classmethod(lambda cls: cls("there")))
    assert main(["--lab", "--empty", "check"]) == 3
    assert "a lab is up already: leave --empty out to join it" in capsys.readouterr().err
