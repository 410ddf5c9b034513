#!/bin/bash
# PID 1 of one machine of the lab. Builds a private root over this machine's, pivots into it, starts its daemons, reaps.
# host.sh MACHINE STATE-FOLDER KIT-FOLDER FOLDER...     the FOLDERs stay visible even where a fresh tmpfs hides them
set -euo pipefail
machine=$1 state=$2 kit=$3; shift 3
own=$state/$machine
hostname "$machine"
mount --make-rprivate /
mkdir -p "$own"/{upper,work,root,dev}
mount -t overlay overlay -o "lowerdir=/,upperdir=$own/upper,workdir=$own/work" "$own/root"
cd "$own/root"

# What belongs to this machine's owner, or to daemons that may run on it, is not in the lab.
for folder in run tmp root home var/log var/mail var/tmp var/spool/postfix var/lib/postfix var/lib/dovecot etc/letsencrypt; do
    mkdir -p "$folder"
    mount -t tmpfs -o mode=755 tmpfs "$folder"
done
chmod 1777 tmp var/tmp
chmod 700 root
for folder in "$@"; do
    [ -e "./$folder" ] && continue
    mkdir -p "./$folder"
    mount --bind "$folder" "./$folder"
done
mkdir -p run/lab run/sshd run/lock
mount --bind "$kit" run/lab
mkdir -p run/shared
mount --bind "$state/shared" run/shared

mount -t proc proc proc
mount -t sysfs sysfs sys
if [ -e "$state/shared/docker-compose" ] && [ "$machine" = mailcow ]; then  # an engine makes cgroups: those of this machine
    mount --rbind /sys/fs/cgroup sys/fs/cgroup
    mkdir -p var/lib/docker
    mount -t tmpfs -o size=1g,mode=711 tmpfs var/lib/docker  # its layers cannot lie on the overlay that is this root
fi
mount -t tmpfs -o mode=755 tmpfs "$own/dev"
for node in null zero full random urandom tty; do
    : >"$own/dev/$node"
    mount --bind "/dev/$node" "$own/dev/$node"
done
mkdir "$own/dev/pts" "$own/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$own/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$own/dev/shm"
ln -s pts/ptmx "$own/dev/ptmx"
ln -s /proc/self/fd "$own/dev/fd"
ln -s fd/0 "$own/dev/stdin"; ln -s fd/1 "$own/dev/stdout"; ln -s fd/2 "$own/dev/stderr"
mount --rbind "$own/dev" dev

pivot_root . .
umount -l .
cd /
exec </dev/null
echo "$machine" >/etc/hostname
rm -f /etc/resolv.conf /etc/hosts
: >/etc/resolv.conf
{ printf '127.0.0.1 localhost %s\n::1 localhost\n' "$machine"; cat /run/shared/hosts; } >/etc/hosts
/run/lab/conf/"$machine"/start.sh
touch "/run/shared/$machine.ready"
trap 'exit 0' TERM INT
while :; do
    sleep 3600 &
    wait $! || :
done
