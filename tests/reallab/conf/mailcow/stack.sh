#!/bin/bash
# Lays Mailcow's folder anew and starts it from nothing: containers, networks, volumes, and what stood in Docker's own chain.
# stack.sh halfway|whole     halfway: as a checkout is. whole: with the seed's override, and a Dovecot that trusts the proxy
set -euo pipefail
folder=/opt/mailcow-dockerized
mkdir -p $folder/data
find $folder -mindepth 1 -delete
cp -r /run/lab/conf/stack/. $folder/
ln -s mailcow.conf $folder/.env
mkdir -p $folder/data/assets/ssl
install -m644 /run/shared/well.crt $folder/data/assets/ssl/cert.pem
install -m600 /run/shared/well.key $folder/data/assets/ssl/key.pem
if [ "$1" = whole ]; then
    cp /run/shared/site/docker-compose.override.yml $folder/
    echo 'haproxy_trusted_networks = 100.64.0.1' >$folder/data/conf/dovecot/extra.conf
fi
cd $folder
docker compose down --volumes --remove-orphans --timeout 0
for tables in iptables ip6tables; do
    $tables -F DOCKER-USER 2>/dev/null || continue  # engine 20.10 has none for IPv6
    $tables -A DOCKER-USER -j RETURN
done
docker compose up -d
