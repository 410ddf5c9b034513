# ruff: noqa: E501
"""Options of programs: what exactly is hidden of a line by them alone, and what they leave open below it."""

from __future__ import annotations

import pytest

from console.masking.found import Found, Opens
from console.masking.options import program_of
from console.masking.statements import Statement

OPTIONS = [
    # by a name that says it
    "x --password ‹abc› y", "x --password ‹a.pem›", "x --password=abc", "x --no-password abc", "x --ask-pass abc",
    "x --password --abc", "x --password $X", "x --port abc", "x -password ‹abc› y", "x --auth plain", "x --auth ‹abc›",
    "x --key /etc/x", "x -port abc", "x --token '‹a b›' y", "x --password -",
    # curl and what is like it
    "curl -u bob:‹abc› h", "curl -ubob:‹abc› h", "curl -u bob h", "curl -u bob:$X h", 'curl -u "bob:‹a c›" h',
    "curl -u 'bob:‹a c›' h", "curl -u bob:‹a\\ c› h", "curl --user bob:‹abc› h", "curl --user=bob:‹abc› h",
    "curl --user=bob:‹a=c› h", "curl --proxy-user=bob:‹abc› h", "x --user=bob:abc", "x --user bob:abc",
    "curl --proxy-user bob:‹abc› h", "x --proxy-user bob:‹abc› h", "curl -b ‹a=c› h", "curl --cookie ‹ac› h",
    "x --cookie ‹abc› h", "curl -bx abc h", "curl --x a:abc h", "x -b abc", "curl -U bob:‹abc› h", "curl -E c.pem:‹abc› h",
    "http -a bob:‹abc› h", "lftp -u bob,‹abc› h", "smbclient -U bob%‹abc› //h", "curl --x=a:abc h", "curl --user=bob h",
    "curl -u :‹abc› h", "curl -u:‹abc› h", "curl -ub:‹abc› h", "curl -o bob:abc h", "net -U bob%‹abc›", "net -u bob%abc",
    "curl -u bob:‹'abc›' h", "curl -u 'b:‹a›'", "etcdctl --user root:‹abc› get", "nsupdate -y k:‹abc›", "curl --user '' h",
    "mysql -p‹a=b› x", "x -password=abc def", "x --password=abc def", "curl --xy a:abc h", "curl -ux bob:abc h",
    "mysql -p ‹a1b2c3›", "x --cookie ‹abc› h", "curl --cookie ‹a:c› h",
    # of kubectl
    "kubectl x --from-literal=‹a=abc› y", "kubectl x --from-file=a=abc", "x -from-literal=abc",
    # by the program, of one letter
    "sshpass -p ‹abc› ssh h", "sshpass -p $X ssh h", "sshpass -e ssh h", "ldapsearch -w ‹abc› -x", "ldapsearch -y ‹abc›",
    "redis-cli -a ‹abc› ping", "redis-cli -h abc ping", "redis-cli -ap ping", "redis-cli -a '' ping", "zip -P ‹abc› x",
    "zip -p abc x", "x -a abc", "x -w abc", "openssl enc -k ‹abc›", "snmpget -c ‹abc› h", "snmpget -A ‹abc› h",
    "ssh-keygen -N ‹abc› -f x", "mosquitto_pub -P ‹abc›", "mongodump -p ‹abc›", "useradd -p ‹abc› bob", "az -p ‹abc›",
    "login -p ‹abc› h", "/usr/bin/redis-cli -a ‹abc› ping", "X=$(redis-cli -a ‹abc› ping)",
    # in one word
    "mysql -p‹abc› x", "mysql -p‹a› x", "mysql '-p‹a c›' x", 'mysql "-p‹abc›" x', "mysql -p$X x", "mysql -p/etc/a.pem x",
    "mysql -p‹x$Y› x", "sshpass -p‹abc› ssh h", "7z a -p‹abc› x", "7z a -pa x", "7z a -p‹ab› x", "7za -p‹ab› x",
    "7z a -p$X x", "mariadb-dump -p‹abc› x",
    "mydumper -p‹abc›", "rar a -p‹abc›", "redis-cli -pabc", "x -pabc", "mysql -uabc x", "mysql -e abc", "mysql -P 3306",
    "mysql -u login -p‹abc›", "mysql -D ssh -p‹abc›", "mysql -h http -p‹abc› curl -u a:b", "mysql x | curl -u bob:‹abc›",
    "ldapsearch -w‹abc› -x", "ldapsearch '-w‹a c›' -x", "ldapsearch -w‹a›", "ldapsearch -w$X", "ldapsearch -w/etc/a.pem x",
    "snmpget -c‹abc› h", "snmpget -A‹abc› h", "snmpget -vabc h", "zip -P‹abc› x", "unzip -P‹abc› x", "x -wabc y",
    "mysql x; redis-cli -a ‹abc›", "ssh h mysql -p‹abc›", "sudo mysql -p‹abc› x", "mysql x mysqldump -p‹abc›",
    # of a program that is not known
    "x -p ‹a1b2c3› y", "x -p abc y", "x -p 25:a1b2c3 y", "x -p 25 y", "x -p h:25a y", "x -p ./a1b2c3 y", "x -p ~a1b2c3 y",
    "x -ap ‹a1b2c3› y", "docker -p a1b2c3 y", "mkdir -p a1b2c3", "ssh -p a1b2c3 h", "x mkdir -p a1b2c3", "x -p plain y",
    "command: x -p ‹abc› y", "entrypoint: x -p ‹abc›", "CMD x -p ‹abc›", "args: x -p ‹abc›", "other: x -p abc",
    "command: x -p plain", "command: x -p 25", "x -p $A1b2c3 y", "x -p y1:2abc z", "ssh x curl -p ‹a1b2c3›",
    "ssh x | y -p ‹a1b2c3›", "x -pp a1b2c3", "x -p a1b2.pem y",
    "swaks -ap ‹abc› -s h", "swaks -ap", "swaks -n abc", "x --cookie login h", "x --pass$X abc", "nice -p ‹a1b2c3› ssh -p a1b2c3",
]  # fmt: skip
"""Lines, with ‹› around what is hidden; a command that ends in the middle of one is none."""


@pytest.mark.parametrize("marked", OPTIONS)
def test_of_an_option_its_value_is_hidden_exactly(marked: str) -> None:
    text = marked.replace("‹", "").replace("›", "")
    found = Found()
    Statement(text, found).read()
    covered = {at for start, end in found.spans for at in range(start, end)}
    shown = "".join(
        ("‹" if at in covered and at - 1 not in covered else "")
        + letter
        + ("›" if at in covered and at + 1 not in covered else "")
        for at, letter in enumerate(text)
    )
    assert shown == marked


NEXT, RANDOM = Opens("next"), Opens("next", "random")
OPEN = [
    ("x --password", NEXT), ("x --password \\", NEXT), ('x --password ""', None),
    ('x --password "" y', None), ("x --password a", None), ("x --password=", None), ("x --no-password", None),
    ("x --ask-pass \\", None), ("x --port", None), ("curl -u \\", NEXT), ("curl -u", NEXT), ("curl -u '' h", None),
    ("curl -ubob", None), ("redis-cli -a \\", NEXT), ("redis-cli -a '' ping", None), ("redis-cli -a a", None),
    ("redis-cli -h \\", None), ("-p", RANDOM), ("-p \\", RANDOM), ("- -p", RANDOM), ("-x -p \\", RANDOM), ("x -p \\", None),
    ("x -p", None), ("mysql -p \\", None), ("docker -p \\", None), ("curl -b \\", None), ("curl --cookie \\", NEXT),
    ("x -b \\", None), ("-p a1", None), ("x --password ;", None), ("x --password | y", None),
]  # fmt: skip
"""Lines, and what they leave open below."""


@pytest.mark.parametrize(("text", "opens"), OPEN)
def test_an_option_without_its_value_goes_on_below(text: str, opens: Opens | None) -> None:
    found = Found()
    Statement(text, found).read()
    assert found.opens == opens


PROGRAMS = [
    ("mysqldump \\", "mysqldump"), ("sudo nice mysql -u root \\", "mysql"), ("mysql x | curl h \\", "curl"),
    ("mysql x | gzip \\", ""), ("mysql -u curl \\", "mysql"), ("curl mysql \\", "mysql"), ("ssh h \\", "ssh"),
    ("ssh docker \\", "ssh"), ("x y \\", ""), ("", ""), ("x; ssh \\", "ssh"), ("- /usr/bin/redis-cli", "redis-cli"),
    ("x=$(mysql \\", "mysql"), ("`curl \\", "curl"), ("mysql mysqladmin \\", "mysqladmin"), ("curl ssh \\", "curl"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "program"), PROGRAMS)
def test_the_program_that_a_line_ends_with_is_known(text: str, program: str) -> None:
    assert program_of(text) == program
