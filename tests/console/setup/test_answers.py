"""What may be typed for the set-up's questions, and what files are taken for."""

from __future__ import annotations

import pytest

from console.setup import answers, kinds
from console.setup.answers import Wanted

HAPROXY = "listen smtp\n  bind :25\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("none", ()),
        ("vps, home", (Wanted("vps"), Wanted("home"))),
        ("root@192.0.2.1=mail", (Wanted("root@192.0.2.1", "mail"),)),
        ("local=hypervisor", (Wanted("local", "hypervisor"),)),
    ],
)  # fmt: skip
def test_hosts(text: str, wanted: tuple[Wanted, ...]) -> None:
    assert answers.hosts(text) == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("vps=boss", "no role"),
        ("-oProxyCommand=x", "no role"),
        ("-oProxyCommand", "SSH destination"),
        ("a b;c", "SSH destination"),
        ("vps root@vps.example", "two of these"),
    ],
)  # fmt: skip
def test_hosts_that_cannot_be_used(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        answers.hosts(text)


@pytest.mark.parametrize(
    ("way", "name"),
    [("vps", "vps"), ("root@mail.example.org", "mail"), ("ssh://a@[2001:db8::1]:22", "2001-db8-1"), ("local", "local")],
)
def test_a_host_is_named_by_its_way_in(way: str, name: str) -> None:
    assert Wanted(way).name == name


@pytest.mark.parametrize(
    ("text", "names"), [("none", ()), ("Mail.Example.org., 192.0.2.1", ("mail.example.org", "192.0.2.1"))]
)
def test_public_names(text: str, names: tuple[str, ...]) -> None:
    assert answers.public_names(text) == names


@pytest.mark.parametrize("text", ["mail", "a..b", "-x.example", "https://a.example", "a.example\x1b"])
def test_public_names_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="host name"):
        answers.public_names(text)


@pytest.mark.parametrize(
    ("text", "target"), [("none", ""), ("10.0.0.1:80", "10.0.0.1:80"), ("[2001:db8::1]:80", "[2001:db8::1]:80")]
)
def test_a_target(text: str, target: str) -> None:
    assert answers.target(text) == target


@pytest.mark.parametrize("text", ["10.0.0.1", "10.0.0.1:0", "10.0.0.1:65536", ":80", "a b:80", "none127.0.0.9:80"])
def test_targets_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="target"):
        answers.target(text)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("haproxy.cfg", HAPROXY, "haproxy"),
        ("setup.cfg", "[flake8]\n", None),
        ("main.tf", "", "opentofu"),
        ("docker-compose.override.yml", "", "compose"),
        ("compose.yaml", "", "compose"),
        ("mailcow.conf", "", "mailcow_conf"),
        ("a.sh", "SSL_DIR=/opt/mailcow-dockerized/data/assets/ssl\n", "deploy_script"),
        ("b.sh", "cat $RENEWED_LINEAGE/privkey.pem | ssh vm\n", "deploy_hook"),
        ("c.sh", "echo\n", None),
    ],
)  # fmt: skip
def test_files_are_told_by_name_and_text(name: str, text: str, kind: str | None) -> None:
    assert kinds.kind_of(name, text) == kind
    assert kinds.worth_reading(name)


@pytest.mark.parametrize(
    ("found", "sure", "doubt"),
    [
        ({"haproxy": ("haproxy.cfg", "old/haproxy.cfg")}, {"haproxy": ("haproxy.cfg",)}, {}),
        ({"haproxy": ("a/x.cfg", "b/x.cfg")}, {}, {"haproxy": ("a", "b")}),
        ({"opentofu": ("tofu/a.tf", "tofu/b.tf")}, {"opentofu": ("tofu",)}, {}),
        ({"opentofu": ("a.tf", "b.tf")}, {"opentofu": (".",)}, {}),
        ({"compose": ("docker-compose.override.yml", "docker-compose.yml")},
         {"compose": ("docker-compose.yml", "docker-compose.override.yml")}, {}),
    ],
)  # fmt: skip
def test_which_files_are_taken(
    found: dict[kinds.Kind, tuple[str, ...]], sure: dict[str, tuple[str, ...]], doubt: dict[str, tuple[str, ...]]
) -> None:
    assert kinds.choose(found) == (sure, doubt)


def test_the_name_of_the_certificate_goes_before_the_one_postfix_has() -> None:
    texts = {
        "o.yml": "- MAILCOW_HOSTNAME=relay.example.org\n",
        "h.sh": "\ncat /etc/letsencrypt/live/mail.example.org/x\n",
    }
    assert kinds.names(texts) == {
        "mail.example.org": "the certificate's folder, h.sh:2", "relay.example.org": "MAILCOW_HOSTNAME, o.yml:1",
    }  # fmt: skip
    assert kinds.certificate(texts) == "mail.example.org"
