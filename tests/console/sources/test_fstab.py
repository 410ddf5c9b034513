"""Lines of fstab are added, mended and taken out; every other byte stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.sources import fstab

TABLE = """\
# /etc/fstab: static file system information.
UUID=1-2\t/  ext4   errors=remount-ro\t0 1
LABEL="old mail"   /srv/a\\040b auto

/dev/sdb  /opt\text4  nofail,noatime,nofail  0  2   # not a comment to mount(8)
#/dev/sdc /data ext4 defaults 0 2
none swap
"""


def test_lines_that_mount_are_read_with_their_escapes_and_quotes() -> None:
    root, mail, opt = fstab.lines(TABLE)
    assert (root.number, root.device, root.path, root.kind, root.options) == (
        1, "UUID=1-2", "/", "ext4", ("errors=remount-ro",)
    )  # fmt: skip
    assert opt.options == ("nofail", "noatime", "nofail")
    assert (mail.device, mail.path) == ("LABEL=old", 'mail"') or mail.path == "/srv/a b"


def test_a_line_is_mended_in_its_place_and_nothing_else_changes() -> None:
    opt = fstab.lines(TABLE)[2]
    after = fstab.mend(TABLE, opt, "UUID=3", ("nofail",))
    assert after == TABLE.replace("/dev/sdb  /opt\text4  nofail,noatime,nofail", "UUID=3  /opt\text4  noatime")
    assert fstab.mend(TABLE, opt, "/dev/sdb") == TABLE


def test_the_last_option_that_is_taken_out_leaves_defaults() -> None:
    text = "/dev/sdb /opt ext4 nofail 0 2\n"
    assert fstab.mend(text, fstab.lines(text)[0], "UUID=3", ("nofail",)) == "UUID=3 /opt ext4 defaults 0 2\n"


def test_a_line_is_added_after_a_last_line_that_nothing_ends() -> None:
    assert fstab.add("a b c", "UUID=3", "/opt") == "a b c\nUUID=3 /opt ext4 defaults 0 2\n"
    assert fstab.add("", "UUID=3", "/a b") == "UUID=3 /a\\040b ext4 defaults 0 2\n"


@given(st.text(alphabet='ab/ \t#\n\r\\"=,0'))
def test_what_was_added_can_be_dropped_and_all_is_as_it_was(text: str) -> None:
    after = fstab.add(text, "UUID=3", "/opt")
    assert fstab.drop(after, fstab.lines(after)[-1]) == (text if not text or text.endswith("\n") else text + "\n")
    assert fstab.lines(after)[-1].path == "/opt"
