"""Copying through the terminal."""

from __future__ import annotations

from base64 import b64encode

from screens.clipboard import LIMIT, caution, sequence

WORD = b64encode("993 imaps: ✗".encode()).decode()
PLAIN = f"\x1b]52;c;{WORD}\a"


def test_text_is_sent_as_osc_52() -> None:
    assert sequence("993 imaps: ✗", {}) == PLAIN


def test_inside_tmux_it_is_sent_plain_and_passed_through() -> None:
    assert sequence("993 imaps: ✗", {"TMUX": "/tmp/tmux-0/default,1,0"}) == f"{PLAIN}\x1bPtmux;\x1b{PLAIN}\x1b\\"


def test_inside_screen_it_is_passed_through() -> None:
    assert sequence("993 imaps: ✗", {"STY": "1.pts"}) == f"\x1bP{PLAIN}\x1b\\"


def test_text_that_a_terminal_would_cut_is_not_sent() -> None:
    assert sequence("x" * LIMIT, {}) is not None
    assert sequence("x" * (LIMIT + 1), {}) is None
    assert sequence("漢" * (LIMIT // 2), {}) is None


def test_inside_tmux_what_it_needs_is_said() -> None:
    said = caution({"TMUX": "/tmp/tmux-0/default"})
    assert said.endswith("set -g set-clipboard on")
    assert len(f" sent 99 lines to your clipboard{said}") <= 78  # read whole in 80 columns
    assert caution({}) == ""
