#!/bin/bash
# An incusd of its own, PID 1 of namespaces that end with it: network, mounts, processes. VMs are emulated by QEMU.
# incus.sh STATE ROOT PYTHON KIT    STATE: a folder, whose incus/ is the daemon's; ROOT: where the packages are unpacked
set -euo pipefail
state=$1 root=$2 python=$3 kit=$4
mkdir -p "$state"/{cgroup,dev,bin,incus}
mount --rbind /sys/fs/cgroup "$state/cgroup"
mount -t sysfs sysfs /sys # that of this network
mount --rbind "$state/cgroup" /sys/fs/cgroup
mount -t overlay overlay -o "lowerdir=$root/usr:/usr" /usr
ip link set lo up
mkdir -p -m 700 /run/cowhand
mount -t tmpfs -o mode=700 lock /run/cowhand # the locks of a cowhand that runs here are not this machine's

# Devices of its own: the kernel may have no vhost_vsock, without which Incus runs no VM. vsock.py stands in for it.
mount -t tmpfs -o mode=755 dev "$state/dev"
for node in /dev/*; do
    [ -d "$node" ] && [ ! -L "$node" ] || cp -a "$node" "$state/dev/"
done
mkdir -p "$state"/dev/{net,pts,shm}
[ ! -e /dev/net/tun ] || cp -a /dev/net/tun "$state/dev/net/"
mount --rbind /dev/pts "$state/dev/pts"
mount -t tmpfs shm "$state/dev/shm"
[ -e "$state/dev/vhost-vsock" ] || mknod "$state/dev/vhost-vsock" c 1 3
mount --rbind "$state/dev" /dev
ln -s "$(type -P true)" "$state/bin/modprobe"

export INCUS_DIR=$state/incus INCUS_SKIP_INSTANCE_TYPES=true INCUS_EXEC_PATH=$kit/standins/incusd
export PATH=$state/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec "$python" "$kit/vsock.py" /usr/libexec/incus/incusd --group root
