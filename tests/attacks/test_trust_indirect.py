"""What is agreed to names another file of the repository, and a pull changes that one (B1): it needs a new yes too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from console.__main__ import main
from console.engine import shells
from console.engine.vantages import ssh_config
from console.estate.site_file import load
from console.tofu.place import Place
from console.tofu.use import MOST, other_files, tracked
from tests.attacks.clones import CHECKS, Clone
from tests.attacks.test_trust_provision import TOFU

Run = Callable[[str], tuple[int, str]]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    made = Clone(tmp_path)
    monkeypatch.setenv("PATH", f"{made.bin}:/usr/bin:/bin")
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(words: str) -> tuple[int, str]:
        status = main(words.split())
        found = capsys.readouterr()
        return status, " ".join((found.out + found.err).split())

    return call


INDIRECT = {
    "JSON with an escape": (
        "x.tf.json",
        '{"resource": {"terraform_data": {"a": {"provisi\\u006fner": {"local-exec": {"command": "./x"}}}}}}',
        "infra/x",
    ),
    "a label with an escape": ("x.tf", 'data "ext\\u0065rnal" "x" {\n  program = ["./x"]\n}\n', "infra/x"),
    "a provider that runs what it is told": (
        "x.tf",
        'resource "helm_release" "x" {\n  postrender {\n    binary_path = "./x"\n  }\n}\n',
        "infra/x",
    ),
    "one behind a comment": ("x.tf", '/*\n*/ resource "shell_script" "x" {\n}\n', "infra/x"),
    "a comment in its head": ("x.tf", 'resource /*\n*/ "shell_script" "x" {\n}\n', "infra/x"),
    "a configuration of AWS": (
        "x.tf",
        'terraform {\n  backend "s3" {\n    profile = "p"\n    shared_config_files = ["./aws"]\n  }\n}\n',
        "infra/aws",
    ),
    "a kubeconfig": (
        "x.tf",
        'data "terraform_remote_state" "x" {\n  backend = "kubernetes"\n  config = { config_path = "./kube" }\n}\n',
        "infra/kube",
    ),
    "a folder of Incus": ("x.tf", 'provider "incus" {\n  config_dir = "./incus"\n}\n', "infra/incus/config.yml"),
    "a provider by another's name": (
        "x.tf",
        'terraform {\n  required_providers {\n    incus = { "source" = "hashicorp/kubernetes" }\n  }\n}\n'
        'provider "incus" {\n  config_path = "./kube"\n}\n',
        "infra/kube",
    ),
    "one behind a quotation mark": (
        "x.tf",
        'terraform {\n  required_providers {\n    incus = { version = "1\\" } } #", "source" = "a/b" }\n  }\n}\n',
        "infra/kube",
    ),
    "a script called as a state": (
        "x.tf",
        'resource "terraform_data" "x" {\n  provisioner "local-exec" {}\n}\n',
        "infra/x.tfstate",
    ),
    "a script among what init brings": (
        "x.tf",
        'resource "terraform_data" "x" {\n  provisioner "local-exec" {}\n}\n',
        "infra/.terraform/x",
    ),
}


@pytest.mark.parametrize("what", INDIRECT)
def test_a_script_of_a_provision_is_part_of_the_yes_however_it_is_named(clone: Clone, run: Run, what: str) -> None:
    clone.program(clone.bin / "tofu", TOFU.format(mark=clone.mark("tofu")))
    (clone.infra / ".terraform.lock.hcl").unlink()
    name, text, script = INDIRECT[what]
    (clone.infra / name).write_text(text)
    clone.program(clone.folder / script, "#!/bin/sh\n")
    assert run("flow provision --yes --answer trust=yes")[0] == 0
    assert run("flow provision --yes")[0] == 0
    (clone.folder / script).write_text("#!/bin/sh\nrm -rf /\n")
    (clone.top / "pwned-tofu").unlink()
    assert run("flow provision --yes")[0] == 4
    assert clone.marks() == []


def test_a_script_of_a_backend_that_logs_in_by_a_program_is_part_of_the_yes(clone: Clone, run: Run) -> None:
    clone.keep_state_elsewhere("kubernetes")
    told = clone.infra / ".terraform/terraform.tfstate"
    words = '"config": {"exec": [{"command": "sh", "args": ["-c", "sh x.sh"]}]}'
    told.write_text(told.read_text().replace('"config": {}', words))
    script = clone.program(clone.infra / "x.sh", "exit 1\n")
    assert run("trust --yes")[0] == 0
    script.write_text("exit 2\n")
    assert "x.sh has changed since this folder was trusted" in run("trust")[1]


KNOWN = """
terraform {
  backend "local" {}
  required_providers {
    incus = {
      source  = "lxc/incus"
      version = "~> 1.0" # the newest
    }
    null = { source = "registry.opentofu.org/hashicorp/null", version = "3.2.3" }
  }
}
resource "incus_instance" "x" {
  device { properties = { source = incus_storage_volume.opt.name } }
}
"""


def test_what_runs_nothing_of_the_repository_needs_no_yes_for_all_of_its_files(clone: Clone, run: Run) -> None:
    clone.program(clone.bin / "tofu", TOFU.format(mark=""))
    (clone.infra / ".terraform.lock.hcl").unlink()
    (clone.infra / "main.tf").write_text(KNOWN)
    assert run("flow provision --yes --answer trust=yes")[0] == 0
    (clone.infra / "notes").write_text("more\n")
    assert run("flow provision --yes")[0] == 0


INDEX = b"DIRC\0\0\0%c\0\0\0\1" + bytes(62)


@pytest.mark.parametrize("end", ["", ".backup"])
def test_a_state_that_git_brings_is_part_of_the_yes_where_a_program_may_read_it(
    end: str, clone: Clone, run: Run
) -> None:
    clone.program(clone.bin / "tofu", TOFU.format(mark=clone.mark("tofu")))
    (clone.infra / ".terraform.lock.hcl").unlink()
    (clone.infra / "main.tf").write_text('data "external" "x" {\n  program = ["sh", "./terraform.tfstate"]\n}\n')
    name = f"infra/terraform.tfstate{end}"
    (clone.folder / name).write_text("{}")
    assert run("flow provision --yes --answer trust=yes")[0] == 0
    (clone.folder / name).write_text('{"lineage": "$(touch x)"}')
    assert run("flow provision --yes")[0] == 0, "a change has written it"
    (clone.folder / ".git/index").write_bytes(INDEX % 2 + name.encode() + b"\0\0")
    assert run("flow provision --yes")[0] == 4
    assert run("flow provision --yes --answer trust=yes")[0] == 0
    assert run("flow provision --yes")[0] == 0
    (clone.top / "pwned-tofu").unlink()
    (clone.folder / name).write_text('{"lineage": "$(touch y)"}')
    assert run("flow provision --yes")[0] == 4
    assert clone.marks() == []


@pytest.mark.parametrize(
    ("index", "told"), [(None, False), (INDEX % 2, False), (INDEX % 3, False), (INDEX % 4, True), (b"", True)]
)
def test_what_git_has_is_taken_for_its_own_where_that_cannot_be_told(
    index: bytes | None, told: bool, tmp_path: Path
) -> None:
    (tmp_path / ".git").mkdir()
    if index is not None:
        (tmp_path / ".git/index").write_bytes(index)
    assert tracked(str(tmp_path / "infra/terraform.tfstate")) is told
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra/.git").write_text("gitdir: ../.git/modules/infra\n")
    assert tracked(str(tmp_path / "infra/terraform.tfstate"))


@pytest.mark.parametrize("name", ["words.txt", "haproxy.cfg"])
def test_a_file_that_lua_may_read_is_part_of_the_yes_whatever_it_is_called(clone: Clone, run: Run, name: str) -> None:
    clone.program(clone.bin / "haproxy", CHECKS.format())
    clone.plant_lua()
    (clone.folder / "words.txt").write_text("-- nothing\n")
    assert run("trust --yes")[0] == 0
    with (clone.folder / name).open("a") as file:
        file.write('# os.execute("touch /tmp/x")\n')
    assert f"{name} has changed since this folder was trusted" in run("lint --fix --yes")[1]
    assert clone.marks() == []


@pytest.mark.parametrize("line", ["filter opentracing config ot.cfg", "ssl-provider evil", "setenv LUA_PATH x"])
def test_so_is_any_where_another_file_says_what_is_loaded(clone: Clone, run: Run, line: str) -> None:
    clone.program(clone.bin / "haproxy", CHECKS.format())
    clone.plant_lua(line)
    (clone.folder / "libx.so.1").write_text("")
    assert run("trust --yes")[0] == 0
    (clone.folder / "libx.so.1").write_text("more")
    assert run("trust")[0] != 0


@pytest.fixture
def dialled(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    """Have the clone reach a host by its own ssh configuration, with a line more."""
    clone.site.write_text(clone.site.read_text() + '[hosts.vps]\nrole = "proxy"\nssh = "vps"\n')
    config = clone.folder / "ssh_config"
    monkeypatch.setenv("COWHAND_SSH_CONFIG", str(config))
    return lambda line: config.write_text(f"Host vps\n  HostName 127.0.0.1\n  Port 1\n{line}\n")


@pytest.mark.parametrize(
    "line",
    ["ProxyCommand ./x.sh", "ProxyCommand sh -c \"cd ..; ./x.s''h\"", "Match exec %d/x.sh", "ProxyCommand make -s way",
     "ProxyCommand ssh -F deep/config -W %h:%p jump", "ProxyCommand /clone/deep/ssh %h"],
)  # fmt: skip
def test_a_file_that_an_ssh_configuration_may_run_is_part_of_the_yes(
    clone: Clone, run: Run, line: str, dialled: Callable[[str], object]
) -> None:
    dialled(line)
    clone.program(clone.folder / "deep/x.sh", "#!/bin/sh\nexit 1\n")
    assert run("trust --yes")[0] == 0
    clone.program(clone.folder / "deep/x.sh", f"#!/bin/sh\n{clone.mark('ssh')}\n")
    assert "deep/x.sh has changed since this folder was trusted" in run("check")[1]
    assert run("trust --yes")[0] == 0
    clone.program(clone.folder / "Makefile", f"way:\n\t{clone.mark('ssh')}\n")
    assert "Makefile has changed since this folder was trusted" in run("check")[1]
    assert clone.marks() == []


@pytest.mark.parametrize(
    "line", ["ProxyCommand ssh -q -W %h:%p jump", "ProxyCommand=/usr/bin/nc -x 127.0.0.1:1080 %h %p",
             "ProxyCommand cloudflared access ssh --hostname %h", "UserKnownHostsFile known"]
)  # fmt: skip
def test_what_only_connects_needs_no_yes_for_all_files(
    clone: Clone, run: Run, line: str, dialled: Callable[[str], object]
) -> None:
    dialled(line)
    (clone.folder / "known").write_text("")
    assert run("trust --yes")[0] == 0
    (clone.folder / "README").write_text("more\n")
    assert run("trust")[0] == 0
    (clone.folder / "known").write_text("\n")
    assert (run("trust")[0] == 0) is ("known" not in line)


HANDING_ON = (
    "ForwardAgent yes", "\tSendEnv=*", '"RemoteForward" 2222 localhost:22', "GSSAPIDelegateCredentials yes",
    "ControlPath ~/.bash_login", "Tunnel yes", "VerifyHostKeyDNS yes", "NoHostAuthenticationForLocalhost yes",
    "ForwardX11Trusted yes", "DynamicForward 1080",
)  # fmt: skip


@pytest.mark.parametrize("line", HANDING_ON)
def test_no_configuration_hands_on_what_is_the_operators_unasked(
    clone: Clone, dialled: Callable[[str], object], line: str
) -> None:
    dialled("  Compression yes")
    assert [way.problem for way in shells.ways(load(clone.site), (), ssh_config(clone.site))] == [""]
    dialled(line)
    assert "not trusted" in shells.ways(load(clone.site), (), ssh_config(clone.site))[0].problem


def test_a_script_that_a_clone_of_too_many_files_may_name_is_not_agreed_to(
    clone: Clone, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.site.write_text(clone.site.read_text() + '[hosts.vps]\nrole = "proxy"\nssh = "vps"\n')
    monkeypatch.setenv("COWHAND_SSH_CONFIG", str(clone.folder / "ssh_config"))
    (clone.folder / "ssh_config").write_text("Host vps\n  HostName 127.0.0.1\n  Port 1\nProxyCommand ./x.sh\n")
    (clone.folder / ".git").mkdir(exist_ok=True)
    monkeypatch.setattr("console.hosts.ssh.foreign.MOST", 3)
    status, told = run("trust --yes")
    assert status == 1 and "there are more than 3 folders or files beside it that it may name" in told


def test_what_is_left_out_of_opentofus_folder_does_not_make_room_for_what_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    for name in ("terraform.tfstate", "terraform.tfstate.backup", *(f"z{number}.txt" for number in range(MOST))):
        (tmp_path / name).write_text("")
    place = Place(tmp_path, tmp_path / ".terraform", "local", tmp_path / "terraform.tfstate")
    assert len(list(other_files(place))) == MOST
    (tmp_path / "zz.txt").write_text("")
    assert len(list(other_files(place))) > MOST
