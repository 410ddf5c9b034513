"""Output that cannot be written is an error of its own, and a closed window is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from console.process import crash

SITE = '[sources]\nhaproxy = ["haproxy.cfg"]\n'
LISTEN = "listen smtp\n    bind :25\n    server mailcow 10.0.0.1:10025\n"


@pytest.mark.parametrize("words", [("lint",), ("--help",), ("show", "--format", "json")])
def test_output_that_cannot_be_written_exits_74_in_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "haproxy.cfg").write_text(LISTEN)
    command = [sys.executable, "-m", "console", *words]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "HOME": str(tmp_path)},
        )  # fmt: skip
    assert ended.returncode == 74
    assert ended.stderr.splitlines()[-1] == "standard output cannot be written: no space left on device"
    assert "report is in" not in ended.stderr
    assert not list(tmp_path.rglob("crash-*"))


def test_a_terminal_that_was_closed_is_no_crash() -> None:
    near, far = os.openpty()
    try:
        with pytest.raises(OSError, match="error") as nothing:
            raise OSError(5, "Input/output error")
        assert not crash.terminal_gone(nothing.value, (far,))  # the window is still there
        os.close(near)
        near = -1
        with pytest.raises(OSError) as caught:
            os.write(far, b"x")
        assert crash.terminal_gone(caught.value, (far,))
        assert not crash.terminal_gone(ValueError("x"), (far,))
        assert not crash.terminal_gone(OSError(28, "no space left"), (far,))
    finally:
        os.close(far)
        if near >= 0:
            os.close(near)


def test_no_report_is_written_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(crash, "terminal_gone", lambda error: True)
    assert crash.report(OSError(5, "x")) == ""
    assert not list(tmp_path.rglob("crash-*"))
