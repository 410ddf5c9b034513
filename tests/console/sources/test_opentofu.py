"""OpenTofu files: the seed's, references, modules, loops, and where volumes are mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

import assets
from console.model import Instance, Volume
from console.sources.opentofu.files import Nic, Tofu, read

SEED = (Path(assets.__file__).parent / "lab" / "mailcow.tf").read_text()


def tofu(text: str, *others: tuple[str, str], modules: dict[str, list[tuple[str, str]]] | None = None) -> Tofu:
    return read([("main.tf", text), *others], modules)


def instance(text: str, *others: tuple[str, str], modules: dict[str, list[tuple[str, str]]] | None = None) -> Instance:
    (only,) = tofu(text, *others, modules=modules).instances
    return only


def volume(text: str) -> Volume:
    (only,) = tofu(text).volumes
    return only


def nic(text: str, *others: tuple[str, str]) -> Nic:
    (only,) = tofu(text, *others).nics
    return only


class TestTheSeed:
    found = read([("mailcow.tf", SEED)])

    def test_the_vm_is_read_whole(self) -> None:
        (vm,) = self.found.instances
        assert (vm.name, vm.type, vm.image) == ("mailcow", "virtual-machine", "images:ubuntu/24.04")
        assert (vm.cpu, vm.memory, vm.disk, vm.addresses) == ("6", "6GiB", "25GiB", ())
        assert str(vm.source) == "mailcow.tf:19"

    def test_both_block_volumes_have_size_device_and_mount_path(self) -> None:
        told = [(v.name, v.device, v.size, v.content_type, v.mount_path, str(v.source)) for v in self.found.volumes]
        assert told == [
            ("mailcow_var_lib_docker", "var_lib_docker", "50GiB", "block", "/var/lib/docker", "mailcow.tf:1"),
            ("mailcow_opt", "opt", "10GiB", "block", "/opt", "mailcow.tf:10"),
        ]

    def test_a_pool_declared_elsewhere_keeps_its_name(self) -> None:
        assert {volume.pool for volume in self.found.volumes} == {"incus_storage_pool.default.name"}

    def test_a_pool_declared_in_another_file_is_followed(self) -> None:
        pool = 'resource "incus_storage_pool" "default" {\n  name = "default"\n}\n'
        assert {v.pool for v in read([("mailcow.tf", SEED), ("pool.tf", pool)]).volumes} == {"default"}

    def test_no_nic_pins_an_address(self) -> None:
        assert self.found.nics == ()

    def test_every_block_has_its_place(self) -> None:
        assert [(block.labels[1], block.span.line, block.last) for block in self.found.blocks] == [
            ("mailcow_var_lib_docker", 1, 8),
            ("mailcow_opt", 10, 17),
            ("mailcow", 19, 58),
        ]


VM = 'resource "incus_instance" "vm" {\n  name = %s\n  image = "images:debian/12"\n}\n'


@pytest.mark.parametrize(
    ("written", "around", "name"),
    [
        ('"plain"', "", "plain"),
        ("var.name", 'variable "name" { default = "given" }', "given"),
        ("var.name", 'variable "name" {}', "var.name"),
        ("local.name", 'locals { name = "local" }', "local"),
        ("local.deep.name", 'locals { deep = { name = "inner" } }', "inner"),
        ("local.many[1]", 'locals { many = ["a", "b"] }', "b"),
        ('local.deep["name"]', 'locals { deep = { name = "inner" } }', "inner"),
        ("local.deep[var.key]", 'locals { deep = { k = "by key" } }\nvariable "key" { default = "k" }', "by key"),
        ('"${var.a}-${local.b}"', 'variable "a" { default = "x" }\nlocals { b = 7 }', "x-7"),
        ('"${var.a}-${data.thing.it.name}"', 'variable "a" { default = "x" }', "x-${data.thing.it.name}"),
        ("local.a", "locals {\n  a = local.b\n  b = local.a\n}", "local.a"),
        ('"$${not}"', "", "${not}"),
        ('"tab\\there \\u00e9"', "", "tab\there é"),
        ("upper(var.a)", 'variable "a" { default = "x" }', "X"),
        ('format("%s-%02d%%", "a", 1)', "", "a-01%"),
        ('format("%e", 1)', "", 'format("%e", 1)'),
        ('format("%s-%d", "a", 1)', "", "a-1"),
        ('join("-", ["a", "b"])', "", "a-b"),
        ('replace("a_b", "_", "-")', "", "a-b"),
        ("var.big ? var.a : var.b", 'variable "big" { default = true }\nvariable "a" { default = "yes" }', "yes"),
        ("incus_network.n.name", 'resource "incus_network" "n" { name = "net" }', "net"),
        ("incus_network.n.ipv4", 'resource "incus_network" "n" { name = "net" }', "incus_network.n.ipv4"),
        ("random_pet.it.id", "", "random_pet.it.id"),
        ("1 + 1", "", "2"),
        ('(("parens"))', "", "parens"),
        ("<<-EOT\n    heredoc ${var.a}\n  EOT", 'variable "a" { default = "x" }', "heredoc x\n"),
    ],
)
def test_a_name_is_followed_to_its_value_or_kept_as_written(written: str, around: str, name: str) -> None:
    assert instance(VM % written + around).name == name


def test_files_of_variables_win_as_opentofu_lets_them() -> None:
    text = VM % "var.n" + 'variable "n" { default = "default" }'
    plain, auto, named = (
        ("terraform.tfvars", 'n = "plain"'),
        ("z.auto.tfvars", 'n = "auto"'),
        ("prod.tfvars", 'n = "named"'),
    )
    assert instance(text, plain).name == "plain"
    assert instance(text, auto, plain).name == "auto"
    assert instance(text, named, auto, plain).name == "named"


def test_templates_that_double_at_every_step_end() -> None:
    steps = "\n".join(f'  a{n + 1} = "${{local.a{n}}}${{local.a{n}}}"' for n in range(60))
    assert instance(VM % "local.a60" + f'locals {{\n  a0 = "xx"\n{steps}\n}}').image == "images:debian/12"


def test_lists_that_double_at_every_step_end() -> None:
    steps = "\n".join(f"  a{n + 1} = [local.a{n}, local.a{n}]" for n in range(50))
    assert instance(VM % '"${local.a50}"' + f"locals {{\n  a0 = [1]\n{steps}\n}}").name


def test_a_thousand_references_in_a_row_end() -> None:
    steps = "\n".join(f"  a{n + 1} = local.a{n}" for n in range(1000))
    assert instance(VM % "local.a1000" + f"locals {{\n  a0 = 1\n{steps}\n}}").name


MODULE = 'variable "name" {}\noutput "it" { value = "${var.name}!" }\n' + VM % "var.name"


def test_a_local_module_is_read_with_what_its_caller_gives() -> None:
    call = 'module "mail" {\n  source = "./vm"\n  name = "from-${local.n}"\n}\nlocals { n = 1 }\n'
    found = instance(call, modules={"vm": [("vm/main.tf", MODULE)]})
    assert (found.name, str(found.source)) == ("from-1", "vm/main.tf:3")


def test_a_module_s_output_reaches_another_module() -> None:
    calls = 'module "a" {\n source = "./vm"\n name = "a"\n}\nmodule "b" {\n source = "./vm"\n name = module.a.it\n}\n'
    assert [vm.name for vm in tofu(calls, modules={"vm": [("vm/main.tf", MODULE)]}).instances] == ["a", "a!"]


def test_modules_that_call_themselves_or_each_other_end() -> None:
    own = 'module "again" {\n source = "./"\n name = module.again.it\n}\n'
    told = tofu(own + own, modules={".": [("main.tf", own * 3)]}).problems
    assert told and all("more than" in each.problem for each in told)


@pytest.mark.parametrize("source", ['"./missing"', '"registry/x/y"', '"git::https://example.org/x"', "var.x", "[1]"])
def test_a_module_that_is_not_here_harms_nothing(source: str) -> None:
    assert instance(f'module "m" {{\n  source = {source}\n}}\n' + VM % '"vm"').name == "vm"


def test_for_each_over_known_keys_gives_each_copy() -> None:
    text = 'resource "incus_instance" "vm" {\n  for_each = toset(["a", "b"])\n  name = "vm-${each.key}"\n}'
    assert [vm.name for vm in tofu(text).instances] == ["vm-a", "vm-b"]


def test_count_gives_each_copy() -> None:
    text = 'resource "incus_instance" "vm" {\n  count = 2\n  name = "vm-${count.index}"\n}'
    assert [vm.name for vm in tofu(text).instances] == ["vm-0", "vm-1"]


@pytest.mark.parametrize("loop", ["for_each = var.unknown", "count = length(var.unknown)", "count = 100000"])
def test_a_loop_nobody_can_count_stands_once(loop: str) -> None:
    assert len(tofu(f'resource "incus_instance" "vm" {{\n  {loop}\n  name = "vm"\n}}').instances) == 1


NIC = """\
resource "%s" "vm" {
  name = "vm"
  device {
    name = "eth0"
    type = "nic"
    properties = {
      network = "incusbr0"
      %s
    }
  }
}
"""


@pytest.mark.parametrize("kind", ["incus_instance", "lxd_instance", "lxd_container"])
def test_a_pinned_address_is_read_with_its_line(kind: str) -> None:
    found = nic(NIC % (kind, '"ipv4.address" = "10.10.10.214"'))
    assert (found.instance, found.network, found.addresses, found.unknown) == (
        "vm",
        "incusbr0",
        ("10.10.10.214",),
        False,
    )
    assert (found.source.line, found.source.column) == (8, 7)


def test_a_pinned_address_reaches_the_instance() -> None:
    text = NIC % ("incus_instance", '"ipv4.address" = var.ip\n "ipv6.address" = "fd42::7"')
    assert instance(text, ("x.auto.tfvars", 'ip = "10.1.1.1"')).addresses == ("10.1.1.1", "fd42::7")


def test_an_address_the_files_do_not_tell_is_unknown_and_not_absent() -> None:
    found = nic(NIC % ("incus_instance", '"ipv4.address" = var.ip'))
    assert (found.addresses, found.unknown) == ((), True)


@pytest.mark.parametrize("word", ["none", "auto", ""])
def test_a_nic_may_pin_nothing(word: str) -> None:
    found = nic(NIC % ("incus_instance", f'"ipv4.address" = "{word}"'))
    assert (found.addresses, found.unknown) == ((), False)


def test_a_profile_s_nic_is_the_instance_s() -> None:
    profile = (NIC % ("incus_profile", '"ipv4.address" = "10.1.1.1"')).replace('name = "vm"', 'name = "mail"')
    vm = 'resource "incus_instance" "it" {\n  name = "it"\n  profiles = ["default", incus_profile.vm.name]\n}\n'
    assert instance(profile + vm).addresses == ("10.1.1.1",)


def test_cloud_init_s_network_pins_too() -> None:
    config = "addresses: [10.1.1.1/24, 'fd42::7/64']\ngateway4: 10.1.1.254\nroutes:\n- to: 0.0.0.0/0\n"
    text = (
        f'resource "incus_instance" "vm" {{\n config = {{\n "cloud-init.network-config" = <<EOT\n{config}EOT\n }}\n}}'
    )
    assert instance(text).addresses == ("10.1.1.1", "fd42::7")


def test_lxd_s_limits_are_read_where_lxd_has_them() -> None:
    found = instance('resource "lxd_instance" "i" {\n  limits = { cpu = 2, memory = "4GB" }\n}')
    assert (found.name, found.type, found.cpu, found.memory) == ("i", "container", "2", "4GB")


def test_what_is_not_a_literal_keeps_its_text() -> None:
    found = instance('resource "incus_instance" "i" {\n  name = "i"\n  image = data.incus_image.x.fingerprint\n}')
    assert found.image == "data.incus_image.x.fingerprint"


def test_one_broken_file_leaves_the_others() -> None:
    found = read([("a.tf", 'resource "incus_instance" "a" {'), ("b.tf", VM % '"b"')])
    assert [vm.name for vm in found.instances] == ["b"]
    assert [str(problem).split(": ")[0] for problem in found.problems] == ["a.tf:1:32"]


OVER = 'resource "incus_instance" "vm" {\n  image = "images:ubuntu/24.04"\n  type  = "virtual-machine"\n}\n'


class TestOverrides:
    def test_an_override_wins_whatever_the_order(self) -> None:
        vm = instance(VM % '"a"', ("a_override.tf", OVER))
        assert (vm.name, vm.image, vm.type) == ("a", "images:ubuntu/24.04", "virtual-machine")

    def test_inner_blocks_are_replaced_by_kind(self) -> None:
        device = 'device {\n name = "%s"\n type = "disk"\n properties = { path = "/", size = "%s" }\n}\n'
        base = 'resource "incus_instance" "vm" {\n' + device % ("a", "1GiB") + device % ("b", "2GiB") + "}\n"
        over = 'resource "incus_instance" "vm" {\n' + device % ("c", "3GiB") + "}\n"
        assert instance(base, ("override.tf", over)).disk == "3GiB"

    def test_locals_and_variables_are_merged_by_name(self) -> None:
        text = VM % '"${local.a}-${local.b}-${var.c}"' + 'locals {\n a = 1\n b = 2\n}\nvariable "c" { default = 3 }\n'
        over = 'locals { b = 20 }\nvariable "c" { default = 30 }\n'
        assert instance(text, ("x_override.tf", over)).name == "1-20-30"

    def test_an_override_of_nothing_is_said(self) -> None:
        (problem,) = tofu("", ("override.tf", OVER)).problems
        assert str(problem) == (
            'override.tf:1:1: resource "incus_instance" "vm" is in no other file, so there is nothing to override:'
            " move it, or rename the file"
        )


JSON = """{
  "//": "made by a script",
  "variable": {"size": {"type": "number", "default": "10"}},
  "locals": {"path": "/opt"},
  "resource": {
    "incus_storage_volume": {
      "opt": [{"name": "mail_opt", "pool": "fast", "config": {"size": "${var.size}GiB"}}]
    },
    "incus_instance": {
      "vm": {
        "name": "mail",
        "image": "images:debian/12",
        "device": [
          {"name": "opt", "type": "disk",
           "properties": {"source": "${incus_storage_volume.opt.name}", "pool": "fast", "path": "${local.path}"}},
          {"name": "eth0", "type": "nic", "properties": {"network": "br0", "ipv4.address": "10.0.0.5"}}
        ]
      }
    }
  }
}
"""


class TestJson:
    found = read([("main.tf.json", JSON)])

    def test_it_declares_what_hcl_would(self) -> None:
        (vm,), (volume,) = self.found.instances, self.found.volumes
        assert (vm.name, vm.image, vm.addresses) == ("mail", "images:debian/12", ("10.0.0.5",))
        assert (volume.name, volume.device, volume.size, volume.mount_path) == ("mail_opt", "opt", "10GiB", "/opt")

    def test_everything_has_its_place(self) -> None:
        (vm,), (volume,), (nic,) = self.found.instances, self.found.volumes, self.found.nics
        assert [str(each.source) for each in (volume, vm, nic)] == [
            "main.tf.json:7",
            "main.tf.json:10",
            "main.tf.json:16",
        ]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('{"a": }', "1:7: this is not JSON: a value expected here"),
            ('{"a": 1', '1:8: this is not JSON: "," expected here'),
            ('{"a"\n 1}', '2:2: this is not JSON: ":" expected here'),
            ("[]", '1:1: this is not OpenTofu\'s JSON: it begins with "{"'),
            ('{"resource": 5}', '1:2: "resource" has to be an object'),
            ("[" * 500, "1:102: this is not JSON: more than 100 brackets inside each other"),
            ('{"a": "\n"}', '1:7: this is not JSON: the text that begins here has no closing ", or a character'),
        ],
    )
    def test_broken_json_is_said_at_its_place(self, text: str, said: str) -> None:
        (problem,) = read([("a.tf.json", text)]).problems
        assert str(problem).startswith(f"a.tf.json:{said}")


def test_files_of_variables_in_json_hold_plain_texts() -> None:
    text = VM % "var.n" + 'variable "n" {}'
    assert instance(text, ("terraform.tfvars.json", '{"n": "a ${b}"}')).name == "a ${b}"
    files = [
        ("terraform.tfvars", 'n = "hcl"'),
        ("terraform.tfvars.json", '{"n": "json"}'),
        ("a.auto.tfvars", 'n = "auto"'),
    ]
    assert instance(text, *files[:2]).name == "json"
    assert instance(text, *files).name == "auto"


def test_a_tf_var_stands_below_the_files_of_variables() -> None:
    text = VM % "var.n" + 'variable "n" { default = "default" }'
    (vm,) = read([("main.tf", text)], environment={"n": "TF_VAR"}).instances
    assert vm.name == "TF_VAR"
    (vm,) = read([("main.tf", text), ("terraform.tfvars", 'n = "file"')], environment={"n": "TF_VAR"}).instances
    assert vm.name == "file"


def test_what_is_unknown_is_told_with_its_place_and_reason() -> None:
    text = (
        VM % "var.none"
        + 'variable "none" {}\n'
        + 'resource "incus_storage_volume" "v" {\n  name = "v"\n  pool = uuid()\n}\n'
    )
    told = [(each.name, each.text, each.reason, each.source.line) for each in tofu(text).unknown]
    assert told == [
        ("incus_instance.vm.name", "var.none", "var.none has no default, and no file gives it one", 2),
        ("incus_storage_volume.v.pool", "uuid()", "uuid() differs with each run", 8),
    ]


def test_the_seed_s_only_unknown_is_its_pool() -> None:
    assert {(each.text, each.reason) for each in TestTheSeed.found.unknown} <= {
        ("incus_storage_pool.default.name", "incus_storage_pool.default is declared nowhere in these files")
    }
