#!/bin/bash
# The VM with a real Docker engine and compose: makes the one image, and brings Mailcow's folder up whole.
set -euo pipefail
mkdir -p /etc/docker /usr/local/lib/docker/cli-plugins
ln -sf "$(readlink /run/shared/docker-compose)" /usr/local/lib/docker/cli-plugins/docker-compose
ln -sf /usr/bin/docker /usr/local/bin/docker  # the engine's own client, whatever else the machine has
if [ -e /run/shared/engine ]; then  # a newer engine; runc stays this release's, for a newer one wants a newer libc
    for program in bin/docker bin/containerd bin/containerd-shim-runc-v2 sbin/dockerd sbin/docker-proxy; do
        ln -sf "$(readlink /run/shared/engine)/usr/$program" /usr/local/bin/
    done
fi
# with a resolver that does not answer each greeting would wait ten seconds for its reverse look-up
setsid /run/lab/standins/resolver 10.10.10.214 >/dev/null 2>&1 &
cat >/etc/docker/daemon.json <<JSON
{"storage-driver": "overlay2", "exec-opts": ["native.cgroupdriver=cgroupfs"], "cgroup-parent": "/$(cat /run/shared/name)",
 "experimental": true, "ip6tables": true, "dns": ["10.10.10.214"], "log-level": "warn"}
JSON
/run/lab/standins/systemctl start docker
python3 /run/lab/image.py | docker import - reallab/mail:1 >/dev/null
/run/lab/conf/mailcow/stack.sh whole
