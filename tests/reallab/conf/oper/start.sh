#!/bin/bash
# Where the operator sits: an OpenSSH configuration, a key, pinned host keys, and a site file that names hosts by alias.
set -euo pipefail
mkdir -p /root/.ssh
chmod 700 /root/.ssh
install -m600 /run/shared/oper /root/.ssh/id_ed25519
install -m644 /run/shared/oper.pub /root/.ssh/id_ed25519.pub
install -m600 /run/lab/conf/oper/ssh_config /root/.ssh/config
{
    for name in 203.0.113.10 2001:db8:113::10; do echo "$name $(cut -d' ' -f1,2 /run/shared/vps_host_key.pub)"; done
    echo "10.10.10.214 $(cut -d' ' -f1,2 /run/shared/mailcow_host_key.pub)"
} >/root/.ssh/known_hosts
cp -r /run/shared/site /root/site
# every certificate of the lab is its own: here they are trusted, as a private authority would be
cat /run/shared/*.crt >/root/site/authority.pem
