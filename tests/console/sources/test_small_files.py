"""extra.cf, extra.conf, fstab, drop-ins and authorized_keys: what they say and where, and no text that they refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.sources import authorized_keys, dovecot, mounts, settings

EXTRA_CF = """# comment
relayhost = [100.64.0.1]:2525
  # not a continuation
mynetworks = 127.0.0.0/8,
  172.22.1.0/24
relayhost=[100.64.0.2]:2525
"""


def test_the_last_setting_of_a_name_counts_and_lines_go_on():
    found = settings.read(EXTRA_CF, "extra.cf", continued=True)
    assert {name: (each.value, str(each.span)) for name, each in found.values.items()} == {
        "relayhost": ("[100.64.0.2]:2525", "extra.cf:6"),
        "mynetworks": ("127.0.0.0/8, 172.22.1.0/24", "extra.cf:4"),
    }


EXTRA_CONF = """haproxy_trusted_networks = 10.10.10.1 # the bridge
service imap-login {
  inet_listener imaps_haproxy {
    port = 10993
  }
}
#mail_debug = yes
"""


def test_dovecots_blocks_are_looked_through_and_comments_end_a_line():
    found = settings.read(EXTRA_CONF, "extra.conf")
    assert found.get("haproxy_trusted_networks") == "10.10.10.1"
    assert found.get("port") == "10993"
    assert (found.get("mail_debug"), str(found.place("mail_debug"))) == ("", "extra.conf:1")
    assert str(found.place("port")) == "extra.conf:4"


JOINED = {
    "a = 1 \\\n  2\n": "1 2",
    "a =\\\n1 \\\n 2\n": "1 2",
    "a = 1\\\n2\n": "1 2",
    "a = 1 \\ # x\n  2\n": "1 2",
    "a = 1 # x \\\nb = 2\n": "1",
    "a \\\n = 1\n": "1",
    "a = 1 \\\n# x\n": "",
    "a = 1 \\\n\nb = 2\n": "",
    "a = 1 \\": "",
}
"""What doveconf 2.3.19 makes of lines that end in a backslash."""


@pytest.mark.parametrize(("text", "value"), JOINED.items())
def test_dovecots_lines_go_on_behind_a_backslash(text: str, value: str):
    assert settings.read(text, "extra.conf").get("a") == value


def test_a_listeners_settings_go_on_behind_a_backslash():
    text = "service imap-login \\\n {\n inet_listener x {\n haproxy = \\\n  yes\n port \\\n = 10994\n }\n}\n"
    (found,) = dovecot.listeners(text, "extra.conf")
    assert {name: (value.value, value.span.line) for name, value in found.values.items()} == {
        "haproxy": ("yes", 4),
        "port": ("10994", 6),
    }


FSTAB = """# <device> <path>
UUID=1 / ext4 defaults 0 1
UUID=2\t/var/lib/my\\040docker ext4 defaults,nofail
broken
"""


def test_fstab_and_drop_ins_are_told_apart_by_what_is_in_them():
    unit = "[Unit]\r\nRequiresMountsFor=/opt /var/lib/docker\r\n"
    found = mounts.read([("drop-in", unit), ("fstab", FSTAB)])
    assert found.file == "fstab"
    assert [(each.device, each.path, each.options, str(each.span)) for each in found.mounts] == [
        ("UUID=1", "/", ("defaults",), "fstab:2"),
        ("UUID=2", "/var/lib/my docker", ("defaults", "nofail"), "fstab:3"),
    ]
    assert found.required == ("/opt", "/var/lib/docker")


KEYS = [
    ("ssh-ed25519 AAAA you@home", {}, "you@home"),
    ('restrict,command="/bin/x \\"a, b\\"" ssh-rsa AAAA', {"restrict": "", "command": '/bin/x "a, b"'}, ""),
    ('from="10.0.0.1,::1",Restrict ecdsa-sha2-nistp256 AA= a b', {"from": "10.0.0.1,::1", "restrict": ""}, "a b"),
    ("sk-ssh-ed25519@openssh.com AAAA c", {}, "c"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "options", "comment"), KEYS)
def test_options_of_a_key_are_split_as_sshd_splits_them(line: str, options: dict[str, str], comment: str):
    (found,) = authorized_keys.read(f"# head\n\n{line}\n", "authorized_keys")
    assert (found.options, found.comment, str(found.span)) == (options, comment, "authorized_keys:3")


@pytest.mark.parametrize("line", ["", "# ssh-rsa AAAA", "ssh-rsa", 'command="x ssh-rsa AAAA', "nonsense here"])
def test_a_line_that_is_no_key_is_passed_over(line: str):
    assert authorized_keys.read(line, "f") == ()


@given(st.text())
def test_no_text_trips_a_reader(text: str):
    settings.read(text, "f", continued=True)
    settings.read(text, "f")
    mounts.read([("f", text), ("g", "[Unit]\n" + text)])
    authorized_keys.read(text, "f")


ENDLESS = ["a b c\n", "a=\n", " c\n", 'a="', "a,", "[A]\n", 'from="\\"', "\\040"]


@pytest.mark.parametrize("piece", ENDLESS)
@pytest.mark.slow
def test_a_megabyte_of_anything_is_read_in_one_go(piece: str):
    text = "a=b\n" + piece * (1_000_000 // len(piece))
    settings.read(text, "f", continued=True)
    mounts.read([("f", text)])
    authorized_keys.read(text, "f")
