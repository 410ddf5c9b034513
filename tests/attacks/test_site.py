"""A site file that came with a repository has nothing read but what is its own, and on hosts what lives there."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from console.__main__ import main
from console.errors import InputError
from console.estate import cache, load, site_file
from console.estate.files import Files, Memo
from console.estate.places import WORDS, Kind, fits, operators_own
from console.store import journal
from tests.attacks.conftest import MALLORY, Mallory

SHADOW = "root:$6$abcdefgh$aGVsbG8gd29ybGQ:19000:0:99999:7:::\ndaemon-of-ours:*:19000:0:99999:7:::\n"
LANE = '[[lane]]\nport = 25\nprotocol = "smtp"\ntarget = "127.0.0.1:1"\n'
HOST = '[hosts.mail]\nrole = "mail"\nlocal = true\n'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A working copy of a stranger's repository, and beside it what is none of its business."""
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    (tmp_path / "shadow").write_text(SHADOW)
    (tmp_path / "clone" / "f.sh").write_text("#!/bin/sh\ncp a b\n")
    return tmp_path / "clone"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return " ".join(f"{captured.out} {captured.err}".split())


# ── [deployed] ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", [["drift"], ["drift", "--json"], ["check", "--json"]], ids=" ".join)
def test_a_clone_cannot_have_a_file_of_a_host_shown_by_calling_it_its_own(
    command: list[str], clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = clone / "site.toml"
    site.write_text(
        f'[sources]\ndeploy_script = "f.sh"\n{LANE}{HOST}[deployed]\n"f.sh" = "mail:{clone.parent}/shadow"\n'
    )
    main(["--site", str(site), *command])
    words = said(capsys)
    assert "daemon-of-ours" not in words and "19000" not in words
    if command[0] == "drift":
        assert "is no place of such a file, and this site file may be somebody else's: not read" in words


def test_a_site_file_cannot_be_deployed_itself(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = clone / "site.toml"
    site.write_text(
        f'[sources]\ndeploy_script = "f.sh"\n{HOST}[deployed]\n"{site}" = "mail:{clone.parent}/shadow"\n'
        f'"f.sh" = "mail:/usr/local/bin/none-such"\n'
    )
    main(["--site", str(site), "drift"])
    assert "daemon-of-ours" not in said(capsys)


def test_of_a_text_without_a_common_line_it_is_said_that_it_differs_and_not_what_it_is(
    clone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = clone / "site.toml"
    (clone / "shadow").write_text("one line of ours\n")
    site.write_text(
        f'[sources]\nmounts = ["shadow"]\n{LANE}{HOST}[deployed]\n"shadow" = "mail:{clone.parent}/shadow"\n'
    )
    monkeypatch.setattr("console.drift.tracked.fits", lambda kind, path: True)
    assert main(["--site", str(site), "drift"]) == 1
    words = said(capsys)
    assert "no line in common; what stands there is not shown" in words
    assert "daemon" not in words and "19000" not in words


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("haproxy", "/etc/haproxy/mail.cfg"), ("haproxy", "/etc/haproxy/conf.d/a:b.cfg"),
        ("haproxy", "/usr/local/etc/haproxy/haproxy.cfg"),
        ("compose", "/opt/mailcow-dockerized/docker-compose.override.yml"), ("compose", "/srv/mailcow/compose.yaml"),
        ("settings", "/opt/mailcow-dockerized/mailcow.conf"),
        ("settings", "/home/bob/mailcow-dockerized/data/conf/postfix/extra.cf"),
        ("script", "/usr/local/bin/mailcow-cert-deploy.sh"), ("script", "/usr/local/sbin/x"),
        ("script", "/etc/letsencrypt/renewal-hooks/deploy/mailcow.sh"),
        ("keys", "/root/.ssh/authorized_keys"), ("keys", "/home/deploy/.ssh/authorized_keys"),
        ("mounts", "/etc/fstab"), ("mounts", "/etc/systemd/system/docker.service.d/mounts.conf"),
    ],
)  # fmt: skip
def test_the_places_where_files_of_a_kind_live_fit(kind: Kind, path: str) -> None:
    assert fits(kind, path)


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow", "/root/.ssh/id_ed25519", "/etc/haproxy/certs/site.pem", "/etc/haproxy/../shadow", "//etc/fstab",
        "/opt/mailcow-dockerized/../../etc/shadow", "/opt/mailcow-dockerized/data/assets/ssl/key.pem",
        "/etc/letsencrypt/live/mail.example.org/privkey.pem", "/etc/letsencrypt/renewal-hooks/deploy/../../x",
        "/proc/self/environ", "/dev/sda", "/etc/fstab/", "/etc/fstab\n", "/usr/local/bin/../../../etc/shadow",
        "/var/lib/docker/volumes/x/_data/docker-compose.yml", "/opt/mailcow-dockerized/.env.backup", "",
    ],
)  # fmt: skip
def test_no_other_place_fits(kind: Kind, path: str) -> None:
    assert not fits(kind, path)


# ── [sources] ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "sources",
    ['haproxy = ["{}/shadow"]', 'opentofu = ["../shadow"]', 'compose = ["{}"]', 'mailcow_conf = "../shadow"',
     'deploy_script = "link"', 'authorized_keys = "../shadow"', 'mounts = ["{}/shadow"]', 'haproxy = ["folder"]',
     'postfix_conf = "{}/shadow"', 'haproxy = ["/dev/zero"]'],
)  # fmt: skip
def test_the_site_file_of_a_clone_names_nothing_outside_of_it(
    sources: str, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = clone.parent
    (outside / "compose.yml").write_text(SHADOW)
    (clone / "link").symlink_to(outside / "shadow")
    (clone / "folder").mkdir()
    (clone / "folder" / "a.cfg").symlink_to(outside / "shadow")
    site = clone / "site.toml"
    site.write_text(f"[sources]\n{sources.format(outside)}\n")
    assert main(["--site", str(site), "lint"]) == 2
    words = said(capsys)
    assert f"{site}:2:" in words and "is outside of this site and its repository: not read" in words
    assert "daemon-of-ours" not in words and "root:" not in words
    assert not any(SHADOW[:9] in text for text in load.load(site).texts.values())


# ── the operator's own ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site file in the operator's configuration folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "cowhand"
    folder.mkdir(parents=True, mode=0o700)
    (tmp_path / "shadow").write_text("root: one line\nof ours\n")
    (folder / "f.sh").write_text("root: one line\n")
    (folder / "site.toml").write_text(
        f'[sources]\nmounts = ["{tmp_path}/config/cowhand/f.sh"]\nhaproxy = ["../../h.cfg"]\n{HOST}'
        f'[deployed]\n"{tmp_path}/config/cowhand/f.sh" = "mail:{tmp_path}/shadow"\n'
    )
    (tmp_path / "h.cfg").write_text("listen x\n    bind :25\n    server a 10.0.0.1:25\n")
    return folder / "site.toml"


def test_the_operators_own_site_file_may_name_any_file_and_any_place(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operators_own(own)
    assert main(["--site", str(own), "drift"]) in (0, 1)
    words = said(capsys)
    assert "outside of this site" not in words and "no place of such a file" not in words


@pytest.mark.parametrize("how", ["elsewhere", "in a clone", "a link to a clone", "writable", "a folder writable"])
def test_a_site_file_that_others_may_have_written_is_not_the_operators_own(how: str, own: Path, clone: Path) -> None:
    if how == "elsewhere":
        own = own.rename(clone / "site.toml")
    elif how == "in a clone":
        (own.parent / ".git").mkdir()
    elif how == "a link to a clone":
        target = own.rename(clone / "site.toml")
        own.symlink_to(target)
    elif how == "writable":
        own.chmod(0o666)
    else:
        own.parent.chmod(0o777)
    assert not operators_own(own)


def test_a_site_file_of_another_user_is_not_the_operators_own(own: Path, mallory: Mallory) -> None:
    os.chown(own, MALLORY, MALLORY)
    assert not operators_own(own)


def test_a_link_in_a_clone_to_the_operators_own_site_file_is_not_theirs(
    own: Path, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own.write_text('[sources]\nhaproxy = ["h.cfg"]\n')
    (clone / "h.cfg").symlink_to(clone.parent / "shadow")
    (clone / "site.toml").symlink_to(own)
    assert not operators_own(clone / "site.toml")
    assert main(["--site", str(clone / "site.toml"), "lint"]) == 2
    words = said(capsys)
    assert '"h.cfg" is outside of this site and its repository: not read' in words
    assert "of ours" not in words and "root:" not in words


# ── what a site file may cost ───────────────────────────────────────────────────────────────────────────────────────

DEEP = {
    "a key": ".".join("a" * 900) + " = 1\n",
    "a key in quotes": ".".join(['"a\\""'] * 900) + " = 1\n",
    "a key with blanks": " . ".join("a" * 900) + " = 1\n",
    "the name of a table": "[" + ".".join("a" * 900) + "]\nb = 1\n",
    "tables in each other": "x = " + ("{" + ".".join("a" * 39) + " = ") * 60 + "1" + "}" * 60 + "\n",
}


@pytest.mark.parametrize("how", DEEP)
def test_a_site_file_of_many_dots_is_refused_where_it_stands(
    how: str, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clone / "site.toml").write_text(f"# words\n{DEEP[how]}")
    assert main(["--site", str(clone / "site.toml"), "lint"]) == 2
    assert "site.toml:" in (words := said(capsys)) and "this is not a site file: " in words


def test_a_key_of_half_a_million_parts_is_refused_before_it_is_read(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tomllib.loads", lambda text: pytest.fail("its time grows with the square of the parts"))
    for text in ("a." * 500_000 + "a = 1\n", "[" + "a." * 500_000 + "a]\n", "'a' . " * 160_000 + "a = 1\n"):
        with pytest.raises(InputError, match="a key of many parts"):
            site_file.parse(text, "site.toml")


def test_more_hosts_than_any_site_has_are_refused_before_the_ways_between_them_are_walked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ways = "".join(f'[hosts.h{n}]\nrole = "mail"\nvia = "h{n + 1}"\nincus = "a"\n' for n in range(3000))
    (tmp_path / "site.toml").write_text(ways + '[hosts.h3000]\nrole = "mail"\nlocal = true\n')
    assert main(["--site", str(tmp_path / "site.toml"), "lint"]) == 2
    assert "3001 hosts are more than 100" in capsys.readouterr().err


def test_a_name_of_many_labels_is_no_such_key() -> None:
    name = ".".join(["ip6"] * 34)
    assert site_file.parse(f'[public]\nnames = ["{name}"]\n', "site.toml").public.names == (name,)


# ── a site file that lies about ─────────────────────────────────────────────────────────────────────────────────────


def test_a_site_file_that_another_user_laid_into_a_shared_folder_is_not_picked_up(
    top: Path, mallory: Mallory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = top / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.chdir(shared)
    mallory.does('printf "$1" > "$2"', LANE.replace("\n", "\\n"), shared / "site.toml")
    for words in (
        ["lint"],
        ["show"],
        ["check"],
        ["drift"],
        ["trust"],
        ["journal"],
        ["flow", "mount-volumes", "--plan"],
    ):
        assert main(words) in (2, 3)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "site.toml: belongs to" in captured.err and "name it with --site if you mean it" in captured.err
    assert main(["--site", "site.toml", "lint"]) == 0
    os.chown(shared / "site.toml", 0, 0)
    assert main(["lint"]) == 0


def test_a_link_of_another_user_to_a_site_file_of_ours_is_not_picked_up(
    top: Path, mallory: Mallory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (top / "tmp").mkdir()
    (top / "tmp").chmod(0o1777)
    (top / "ours.toml").write_text(LANE)
    mallory.does('ln -s "$1" "$2"', top / "ours.toml", top / "tmp/site.toml")
    monkeypatch.chdir(top / "tmp")
    with pytest.raises(InputError, match="belongs to uid 64123"):
        site_file.find()


def test_a_site_file_in_another_users_own_folder_is_found_as_ever(
    mallory: Mallory, monkeypatch: pytest.MonkeyPatch
) -> None:
    mallory.owns(mallory.folder / "site.toml", LANE)
    monkeypatch.chdir(mallory.folder)
    assert site_file.find() == Path("site.toml")


# ── variables of the environment ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["db_password", "hcloud_token", "API_KEY"])
def test_a_clone_does_not_show_a_secret_that_the_environment_has_for_opentofu(
    name: str, clone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TF_VAR_{name}", "hunter2hunter2")
    monkeypatch.setenv("TF_VAR_size", "4")
    (clone / "main.tf").write_text(
        f'variable "{name}" {{}}\nvariable "size" {{}}\nresource "incus_instance" "m" {{\n'
        f'  name = "vm-${{var.{name}}}"\n  config = {{ "limits.cpu" = var.size }}\n}}\n'
    )
    (clone / "site.toml").write_text('[sources]\nopentofu = ["main.tf"]\n')
    for words in (["show"], ["show", "--json"], ["lint"]):
        main(["--site", str(clone / "site.toml"), *words])
        captured = capsys.readouterr()
        assert "hunter2" not in captured.out + captured.err
        assert words != ["show"] or "4 cpu" in captured.out


def test_a_file_that_keeps_its_size_and_times_is_read_again_all_the_same(clone: Path) -> None:
    source = clone / "f.sh"
    (clone / "site.toml").write_text(LANE)
    before, told, memo = source.stat(), cache.stamp(source), Memo()
    first = Files(memo, clone / "site.toml", {}).read("f.sh", ())
    source.write_text("#!/bin/sh\ncp a c\n")
    while source.stat().st_ctime_ns == before.st_ctime_ns:  # until the kernel's clock has ticked
        source.touch()
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = Files(memo, clone / "site.toml", {}).read("f.sh", ())
    assert first and second and (first.text[-2:], second.text[-2:]) == ("b\n", "c\n")
    assert cache.stamp(source) != told


def test_two_sites_whose_paths_have_one_checksum_share_no_journal(tmp_path: Path) -> None:
    """A clone may have a folder for each guess where another site of its operator's is."""
    top, known = os.path.realpath(tmp_path), dict[int, str]()
    for number in range(1_000_000):  # among some 80,000 two have one
        site = f"{top}/{number * 0x9E3779B97F4A7C15 % 2**64:x}/mail/site.toml"
        twin = known.setdefault(zlib.crc32(site.encode()), site)
        if twin != site:
            break
    assert zlib.crc32(site.encode()) == zlib.crc32(twin.encode())
    first, second = journal.place(Path(twin)), journal.place(Path(site))
    assert first != second and (first, second) == (journal.place(Path(twin)), journal.place(Path(site)))
