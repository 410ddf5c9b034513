"""Which commands a step may run while it only looks: what is not known to change nothing may change something."""

from __future__ import annotations

import pytest

from console.errors import CowhandError
from console.facts import containers, listeners, mounts, tailscale
from console.hosts.local import Local
from console.runner.read_only import ReadOnlyHost, reads, script

READS = """
cat /etc/fstab
/usr/bin/cat /etc/fstab
stat -c %a -- /etc/fstab
lsblk --json --bytes
find /dev/disk/by-id -maxdepth 1 -type l -printf %f
findmnt --verify --fstab
mount
blkid -p -o export /dev/sdb
blkid -c /dev/null -p /dev/sdb
wipefs -n --json /dev/sdb
wipefs --no-act /dev/sdb
blockdev --getsize64 /dev/sdb
tune2fs -l /dev/sdb
sfdisk --dump /dev/sdb
systemctl is-active docker
ss -Hltnp
systemctl show -p RequiresMountsFor docker.service
docker compose --project-directory /opt/mailcow ps --format json
docker inspect x
incus config device show mailcow
haproxy -c -f /etc/haproxy/haproxy.cfg
openssl x509 -noout -dates -in /x.pem
postconf -n
tofu show -json
env TF_IN_AUTOMATION=1 TF_INPUT=0 CHECKPOINT_DISABLE=1 tofu -chdir=/x plan -lock=false -out=/y
terraform -chdir=/x validate -json
ps -A -o pid=
""".strip().split("\n")

CHANGES = """
rm -f /etc/fstab
sh -c true
python3 -c pass
env cat /etc/passwd
env LD_PRELOAD=/x tofu show
tofu plan -out=/y
tofu plan -lock=false -generate-config-out=x.tf
tofu -chdir=/x apply /y
tofu -chdir=/x init
mkfs.ext4 -L x /dev/sdb
wipefs -a /dev/sdb
wipefs /dev/sdb
blockdev --setro /dev/sdb
blkid -g
blkid /dev/sdb
ss -K dst 10.0.0.1
openssl x509 -in a -out b
find / -delete
find / -name x -exec rm {} +
find / -fprint /etc/passwd
mount /dev/sdb /opt
mount -a
sfdisk /dev/sdb
tune2fs -L x /dev/sdb
systemctl restart docker
systemctl stop x.timer
docker compose up -d
docker compose --project-directory /opt/mailcow down
docker rm x
incus exec mailcow -- rm x
incus config set mailcow x y
haproxy -f /etc/haproxy/haproxy.cfg
openssl genrsa -out /x
postconf -e a=b
tofu apply
tee /etc/fstab
dd if=/dev/zero of=/dev/sdb
sed -i s/a/b/ /etc/fstab
unheard-of
""".strip().split("\n")


@pytest.mark.parametrize("command", READS)
def test_what_only_reads_is_known(command: str) -> None:
    assert reads(command.split(" "))


@pytest.mark.parametrize("command", CHANGES)
def test_what_may_change_something_is_not_run(command: str) -> None:
    assert not reads(command.split(" "))


def test_nothing_at_all_is_no_reading() -> None:
    assert not reads([])


def test_every_fact_only_reads() -> None:
    asked = [mounts.COMMAND, mounts.QUICK, mounts.PROC]
    modules = (containers, listeners, tailscale)
    asked += [value for module in modules for name, value in vars(module).items() if name.endswith("COMMAND")]
    assert [command for command in asked if not reads(command)] == []


def test_a_script_that_was_vouched_for_may_be_run_and_no_other() -> None:
    text = script("sh", 'test -r "$1" # vouched for')
    assert reads(["sh", "-c", text, "sh", "/etc/fstab"])
    assert not reads(["python3", "-c", text])
    assert not reads(["sh", "-c", f"{text}; rm x"])


async def test_a_write_is_never_a_reading() -> None:
    with pytest.raises(CowhandError, match="belongs into a plan"):
        await ReadOnlyHost(Local()).write("/nowhere/at/all", b"")
