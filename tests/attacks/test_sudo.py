"""The real sudo, with passwords, a hostile lecture and hostile prompts: what is typed goes to it once, or nowhere.

Accounts and rules are files of the test's own, mounted over the machine's in a mount namespace that ends with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(
        not all(map(shutil.which, ("sudo", "unshare", "setpriv", "openssl"))),
        reason="needs sudo, util-linux and openssl",
    ),
]

USER = 64124
PASSWORD = "correct horse battery"
EVIL = "\x1b[2J\x1b]0;owned\x07 passphrase of ~/.ssh/id_ed25519: "

PROGRAM = r"""
import asyncio, json, sys
from pathlib import Path
from console.errors import HostError
from console.hosts import become
from console.hosts.become import Become
from console.hosts.local import Local
from console.hosts.process import Dialogue
from console.questions import Credentials

become.OPENING = 5.0
typed, command = sys.argv[1], sys.argv[2:]
asked, lines, done = [], [], []

async def ask(question):
    asked.append([question.text, question.detail, list(question.quoted)])
    return typed or None

async def execute(argv, dialogue, timeout, cap):
    here = Local()
    argv = ["setpriv", "--reuid=USER", "--regid=USER", "--clear-groups", *argv]
    task = asyncio.ensure_future(here.execute(argv, dialogue, timeout, cap))
    while not task.done():
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                lines.append(path.read_bytes() + path.with_name("environ").read_bytes())
            except OSError:
                pass
        await asyncio.sleep(0.02)
    return await task

async def main():
    root = Become("vps", Credentials(ask), "deploy")
    for _ in range(2):
        try:
            await root.open(execute)
            completed = await root.run(execute, command, Dialogue(), 5.0, 4096)
            done.append([completed.status, completed.stdout.decode(), completed.stderr.decode("utf-8", "replace")])
        except HostError as error:
            done.append(str(error))
    own = b"\0".join(word.encode() for word in [typed, *command])
    seen = [line for line in lines if typed and typed.encode() in line and own not in line]
    print(json.dumps({"asked": asked, "done": done, "seen": len(seen), "looked": len(lines)}))

asyncio.run(main())
""".replace("USER", str(USER))


def sudo(
    folder: Path, typed: str, *command: str, rules: str = "", lecture: str = "", allowed: str = ""
) -> dict[str, Any]:
    """Have a user with a password run a command by the real sudo, `typed` being the answer; return what happened."""
    salt = ["openssl", "passwd", "-6", "-salt", "abcdefgh", PASSWORD]
    crypted = subprocess.run(salt, capture_output=True, text=True, check=True).stdout.strip()
    (folder / "passwd").write_text(f"root:x:0:0:root:/root:/bin/sh\ndeploy:x:{USER}:{USER}::/:/bin/sh\n")
    (folder / "shadow").write_text(f"root:*:19000:0:99999:7:::\ndeploy:{crypted}:19000:0:99999:7:::\n")
    (folder / "lecture").write_text(lecture)
    shown = f"Defaults lecture=always, lecture_file={folder}/lecture\n" if lecture else "Defaults lecture=never\n"
    (folder / "sudoers").write_text(f"{shown}{rules}\nroot ALL=(ALL) ALL\n{allowed or 'deploy ALL=(ALL) ALL'}\n")
    (folder / "shadow").chmod(0o600)
    (folder / "sudoers").chmod(0o440)
    mounts = " && ".join(f"mount --bind {folder}/{name} /etc/{name}" for name in ("passwd", "shadow", "sudoers"))
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{mounts} && exec "$@"', "sh"]
    argv += [sys.executable, "-c", PROGRAM, typed, *command]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2], check=False)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_the_right_password_is_asked_for_once_and_is_in_no_process_list_or_environment(tmp_path: Path) -> None:
    found = sudo(tmp_path, PASSWORD, "id", "-u")
    assert found["done"] == [[0, "0\n", ""]] * 2
    assert [text for text, _, _ in found["asked"]] == ["sudo password of deploy on vps"]
    assert found["looked"] > 10 and found["seen"] == 0


def test_a_wrong_password_is_tried_once(tmp_path: Path) -> None:
    found = sudo(tmp_path, "wrong", "id", "-u", rules=f'Defaults badpass_message="{EVIL[10:]}"')
    refused = "sudo on vps did not take that password; it is not tried again until you ask"
    assert found["done"] == [refused] * 2
    assert len(found["asked"]) == 1 and found["asked"][0][2] == []


@pytest.mark.parametrize(
    "words", [EVIL, "[sudo] password for deploy: ", f"{EVIL}\n" * 200], ids=["evil", "like", "long"]
)
def test_a_hostile_lecture_is_no_part_of_the_question_and_of_no_output(words: str, tmp_path: Path) -> None:
    found = sudo(tmp_path, PASSWORD, "id", "-u", lecture=words)
    assert [each[0] for each in found["asked"]] == ["sudo password of deploy on vps"]
    assert "passphrase" not in json.dumps(found["asked"])
    for each in found["done"]:
        assert not isinstance(each, str) and each[:2] == [0, "0\n"]


def test_a_prompt_that_the_host_would_put_for_ours_is_not_shown(tmp_path: Path) -> None:
    rules = 'Defaults passprompt_override, passprompt="passphrase of ~/.ssh/id_ed25519: "'
    found = sudo(tmp_path, PASSWORD, "id", "-u", rules=rules)
    assert found["done"] == [[0, "0\n", ""]] * 2
    assert [text for text, _, _ in found["asked"]] == ["sudo password of deploy on vps"]


def test_a_user_who_may_not_is_told_so_in_one_clean_line(tmp_path: Path) -> None:
    found = sudo(tmp_path, PASSWORD, "id", "-u", allowed="deploy ALL=(ALL) /bin/none")
    why = "sudo on vps does not let us run true: Sorry, user deploy is not allowed to execute"
    assert all(isinstance(each, str) and each.startswith(why) and each.isprintable() for each in found["done"]), found
