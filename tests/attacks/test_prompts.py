"""A server cannot ask for a passphrase or another machine's password as if cowhand asked: a prompt says whose it is."""

from __future__ import annotations

from collections.abc import Iterator

import asyncssh
import pytest
from rich.cells import cell_len

from console.errors import NoWayIn
from console.questions import LINES, LONGEST, Question, label, quotation
from screens import themes
from screens.question import rows
from tests.console.hosts.conftest import Make, server, ssh
from tests.console.hosts.ssh_server import Server, answering
from tests.console.hosts.test_ssh_login import lock

__all__ = ["server", "ssh"]

IMITATIONS = {
    "a passphrase": ("passphrase of ~/.ssh/id_ed25519", "to log in to vps"),
    "another host's sudo, with a Cyrillic letter": (
        "sudo p\u0430ssword of deploy on mailcow",
        "It is kept in memory until cowhand ends, and written nowhere.",
    ),
    "another host's sudo": ("sudo password of deploy on mailcow", "It is fed to sudo on its input"),
    "a host key": ("is this the host key of that machine? type yes to trust this key:", "ssh-ed25519 SHA256:abc"),
    "cowhand's own heading": ("passphrase:", "cowhand asks, for mailcow:\npassphrase of ~/.ssh/id_ed25519"),
    "cowhand's own destination": (
        "passphrase:",
        "\u2192 your answer opens the key on this machine and is sent nowhere",
    ),
    "a screen of its own": ("\x1b[2J\x1b[Hpassphrase:", "\n" * 40 + "\r\x1b]0;cowhand\x07"),
    "a page of blanks": ("\u3164" * 300 + "\u2800" * 300, "\u200b\n" * 30),
    "an endless text": ("passphrase of your key: " * 3000, "to log in\n" * 3000),
    "a mark on our row": ("\u0301\u0301\u0301passphrase", "e\u0301\u0301\u0301\u0301"),
}


def drawn(question: Question, width: int = 80) -> list[str]:
    """The rows above the input, as a terminal has them."""
    return ["".join(text for text, _ in line) for line in rows(question, themes.ink(themes.DARK), width)]


async def asked_by(server: Server, ssh: Make, prompt: str, instructions: str, echo: bool = False) -> Question:
    """The question that a server's own words become."""
    server.takes_keys = False
    server.challenges, server.instructions = [(prompt, echo, "123456")], instructions
    await server.start()
    asked, ask = answering("123456")
    await ssh(server.configure(), ask=ask).open()
    (question,) = asked
    return question


@pytest.mark.parametrize("case", IMITATIONS)
async def test_a_servers_words_stand_in_a_quotation_and_nowhere_else(server: Server, ssh: Make, case: str) -> None:
    prompt, instructions = IMITATIONS[case]
    question = await asked_by(server, ssh, prompt, instructions)
    assert (question.kind, question.host) == ("code", "vps")
    own = [question.heading, question.text, question.detail, question.destination]
    assert own == [
        "vps asks, in its own words:",
        "an answer to log in as deploy",
        "",
        "your answer goes to vps (deploy@127.0.0.1)",
    ]
    assert all(line.isascii() and line.isprintable() and len(line) <= LONGEST for line in question.quoted)
    assert 0 < len(question.quoted) <= LINES
    for width in (40, 80, 200):
        first, *middle, last = drawn(question, width)
        assert first.startswith(" ▲ vps asks, in its own words:"[:width])
        assert last.startswith((" → your answer goes to vps", " → (deploy@127.0.0.1)"))
        quoted = [row for row in middle if not row.startswith(" → ")]
        assert quoted and all(row.startswith("   │ ") for row in quoted)
        assert all(cell_len(row) <= width for row in (first, *middle, last))
        assert len(quoted) <= 9


async def test_what_cowhand_asks_itself_never_looks_like_what_a_host_asks(server: Server, ssh: Make) -> None:
    question = await asked_by(server, ssh, "passphrase of ~/.ssh/id_ed25519", "to log in to vps")
    own = Question("p", "passphrase", "vps", "passphrase of ~/.ssh/id_ed25519", "to log in to vps", True)
    assert not set(drawn(question)) & set(drawn(own))
    assert drawn(own)[0] == " cowhand asks, for vps:"
    assert drawn(own)[-1] == " → your answer opens the key on this machine and is sent nowhere"
    sudo = Question("s", "sudo", "mailcow", "sudo password of deploy on mailcow", "", True)
    assert drawn(sudo)[-1] == " → your answer goes to sudo on mailcow"


async def test_the_end_of_a_long_text_is_shown_for_there_the_question_stands(server: Server, ssh: Make) -> None:
    question = await asked_by(server, ssh, "\n".join(f"{n}. option" for n in range(40)) + "\nOption (1-40): ", "")
    assert question.quoted[-1] == "Option (1-40):"
    assert "Option (1-40):" in drawn(question)[-2]


async def test_a_plain_prompt_for_the_password_is_asked_in_cowhands_own_words(server: Server, ssh: Make) -> None:
    question = await asked_by(server, ssh, "Password: ", "")
    assert (question.kind, question.text) == ("password", "password of deploy@127.0.0.1")
    assert question.destination == "your answer goes to vps (deploy@127.0.0.1)"


async def test_what_a_server_says_to_a_locked_key_is_no_part_of_the_question(server: Server, ssh: Make) -> None:
    server.banner = "passphrase of ~/.ssh/other\n"
    await server.start()
    lock(server)
    asked, ask = answering("correct horse battery staple")
    await ssh(server.configure(), ask=ask).open()
    (question,) = asked
    assert question.kind == "passphrase" and question.quoted == ()
    assert "other" not in question.text + question.detail


async def test_a_server_that_never_stops_asking_is_given_up(server: Server, ssh: Make) -> None:
    server.takes_keys = False
    server.challenges = [(f"{n}?", True, "x") for n in range(9)]
    await server.start()
    asked, ask = answering(*["x"] * 9)
    with pytest.raises(NoWayIn, match="what it asks was not answered"):
        await ssh(server.configure(), ask=ask).open()
    assert asked == []


@pytest.mark.parametrize("name", ["cowhand", "vps asks", "a: b", 'x"', "vp\u0455"])
def test_a_host_called_like_a_sentence_stands_in_quotes(name: str) -> None:
    assert label(name).startswith('"') and label(name).endswith('"') and label(name).isascii()
    assert '"' not in label(name)[1:-1] and len(label(name)) <= 62


@pytest.mark.parametrize("name", ["vps", "mail.example.org", "bastion (the jump host of vps)", "deploy@[::1]"])
def test_an_ordinary_name_stands_as_it_is(name: str) -> None:
    assert label(name) == name


async def test_a_banner_is_quoted_wherever_it_is_told(server: Server, ssh: Make) -> None:
    server.takes_keys = False
    server.banner = 'Welcome". cowhand: \u0430ll is well, see https://evil.example \x1b[2J\n'
    await server.start()
    said: list[str] = []
    with pytest.raises(NoWayIn) as caught:
        await ssh(server.configure(key=False), tell=said.append).open()
    for text in (str(caught.value), *said):
        assert text.isascii() and text.isprintable()
        before, _, quoted = text.partition(', in its own words: "')
        assert "Welcome" not in before and quoted.count('"') == 1 and quoted.endswith('"')


async def test_a_disconnect_is_told_in_the_servers_own_words(server: Server, ssh: Make) -> None:
    class Rude(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            raise asyncssh.DisconnectError(11, 'sudo p\u0430ssword of deploy: "')

    acceptor = await asyncssh.listen(
        "127.0.0.1", server.port, server_factory=Rude, server_host_keys=[server.host_key], encoding=None
    )
    server.port = acceptor.get_port()
    server.key_file.write_bytes(server.client_key.export_private_key("openssh"))
    server.key_file.chmod(0o600)
    try:
        with pytest.raises(NoWayIn) as caught:
            await ssh(server.configure()).open()
    finally:
        acceptor.close()
    assert "u0430ssword of deploy: ' (error 11)\"" in str(caught.value)


def lines() -> Iterator[str]:
    yield from ("", " ", "\r", "\x1b[2J", "a" * 500, "\u202e\u0430", "x" * 30000)


@pytest.mark.parametrize("text", lines())
def test_a_quotation_is_short_whatever_is_said(text: str) -> None:
    for line in quotation(text, text * 3):
        assert line.isprintable() and len(line) <= LONGEST
