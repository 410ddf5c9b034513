"""Volumes of an instance: where they are mounted, what attaches them, and what the host keeps for itself."""

from __future__ import annotations

import pytest

from tests.console.sources.test_opentofu import VM, tofu, volume

DISK = """
resource "incus_storage_volume" "v" {
  name = "vm_VOLUME"
  pool = "p"
  config = { size = "1GiB" }
}
resource "incus_instance" "vm" {
  name = "vm"
  ABOVE
  device {
    name = "DEVICE"
    type = "disk"
    properties = {
      source = incus_storage_volume.v.name
      pool = "p"
      INSIDE
    }
  }
}
"""


@pytest.mark.parametrize(
    ("device", "above", "inside", "path"),
    [
        ("data", "", 'path = "/srv/mail"', "/srv/mail"),
        ("data", "", '# Mount manually inside the VM: path = "/var/lib/docker"', "/var/lib/docker"),
        ("data", "", "// mounted on /srv/mail.", "/srv/mail"),
        ("data", "# mount /dev/sdb at /srv/mail", "", "/srv/mail"),
        ("data", "/* path: /srv/mail */", "", "/srv/mail"),
        ("data", "", "# /srv/mail", "/srv/mail"),
        ("data", "", "# see /usr/share/doc/incus for more", None),
        ("data", "", "# https://example.org/mount/how", None),
        ("data", "", "", None),
        ("var_lib_docker", "", "", "/var/lib/docker"),
        ("opt", "", "", "/opt"),
        ("vm-opt", "", "", "/opt"),
        ("option", "", "", None),
        ("opt", "", 'path = "/elsewhere"', "/elsewhere"),
    ],
)
def test_a_volume_is_mounted_where_device_comment_or_name_says(
    device: str, above: str, inside: str, path: str | None
) -> None:
    text = DISK.replace("DEVICE", device).replace("ABOVE", above).replace("INSIDE", inside).replace("VOLUME", "x")
    found = volume(text)
    assert (found.device, found.mount_path, found.content_type) == (device, path, "filesystem")


GUESSED = [("opt", "", "", True), ("opt", "", 'path = "/opt"', False), ("opt", "# mount it on /opt", "", False)]


@pytest.mark.parametrize(("device", "above", "inside", "guessed"), GUESSED)
def test_a_place_that_only_a_name_tells_is_said_to_be_guessed(
    device: str, above: str, inside: str, guessed: bool
) -> None:
    text = DISK.replace("DEVICE", device).replace("ABOVE", above).replace("INSIDE", inside).replace("VOLUME", "x")
    assert volume(text).guessed is guessed
    assert volume(text).place == "/opt" + " by its name" * guessed


def test_the_volume_s_own_name_counts_when_the_device_s_says_nothing() -> None:
    text = DISK.replace("DEVICE", "disk1").replace("ABOVE", "").replace("INSIDE", "").replace("VOLUME", "home")
    assert volume(text).mount_path == "/home"


def test_a_declared_volume_that_nothing_attaches_is_still_listed() -> None:
    found = tofu(VM % '"mail"' + 'resource "lxd_volume" "v" {\n  name = "mail-opt"\n  pool = "p"\n}')
    (only,) = found.volumes
    assert (only.name, only.device, only.size, only.mount_path) == ("mail-opt", None, None, "/opt")


def test_a_volume_declared_elsewhere_is_listed_where_it_is_attached() -> None:
    text = DISK[DISK.index('resource "incus_instance"') :].replace("DEVICE", "opt").replace("ABOVE", "")
    found = volume(text.replace("INSIDE", "").replace("incus_storage_volume.v.name", '"theirs"'))
    assert (found.name, found.pool, found.content_type, str(found.source)) == ("theirs", "p", None, "main.tf:4")


ATTACHED = """
resource "incus_instance" "vm" {
  device {
    name = "d"
    type = "disk"
    properties = { source = %s, pool = "p" }
  }
}
"""


@pytest.mark.parametrize("source", ['"/srv/host"', '"agent:config"', '"cloud-init:config"', '"${path.module}/files"'])
def test_what_belongs_to_the_host_is_no_volume(source: str) -> None:
    text = ATTACHED % source
    assert tofu(text).volumes == ()


def test_volumes_of_one_name_are_told_apart_by_their_pool() -> None:
    one = 'resource "incus_storage_volume" "%s" {\n  name = "data"\n  pool = "%s"\n}\n'
    text = ATTACHED.replace('"p"', '"slow"') % '"data"'
    assert [(v.pool, v.device) for v in tofu(one % ("a", "fast") + one % ("b", "slow") + text).volumes] == [
        ("fast", None),
        ("slow", "d"),
    ]


DYNAMIC = """
locals { disks = { opt = "10GiB", var_lib_docker = "50GiB" } }
resource "incus_storage_volume" "v" {
  for_each = local.disks
  name = "mail_${each.key}"
  pool = "p"
  config = { size = each.value }
}
resource "incus_instance" "mail" {
  name = "mail"
  dynamic "device" {
    for_each = local.disks
    iterator = disk
    content {
      name = disk.key
      type = "disk"
      properties = { source = incus_storage_volume.v[disk.key].name, pool = "p" }
    }
  }
}
"""


def test_dynamic_devices_attach_the_volumes_of_a_loop() -> None:
    told = [(v.name, v.device, v.size, v.mount_path) for v in tofu(DYNAMIC).volumes]
    assert told == [
        ("mail_opt", "opt", "10GiB", "/opt"),
        ("mail_var_lib_docker", "var_lib_docker", "50GiB", "/var/lib/docker"),
    ]


def test_a_dynamic_device_over_something_unknown_is_kept_once() -> None:
    text = DYNAMIC.replace("for_each = local.disks\n    iterator", "for_each = var.unknown\n    iterator")
    assert len(tofu(text).volumes) == 3
