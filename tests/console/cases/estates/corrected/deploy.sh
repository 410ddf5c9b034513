#!/bin/bash
set -euo pipefail
umask 077
ssl=/opt/mailcow-dockerized/data/assets/ssl
new=$(mktemp -d "$ssl/.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
timeout 30 head -c 1048576 > "$new/input"
sed '/^---$/,$d' "$new/input" > "$new/cert.pem"
sed '1,/^---$/d' "$new/input" > "$new/key.pem"
openssl x509 -in "$new/cert.pem" -noout -checkend 86400 > /dev/null
[ "$(openssl x509 -in "$new/cert.pem" -noout -pubkey)" = "$(openssl pkey -in "$new/key.pem" -pubout)" ]
mv "$new/key.pem" "$ssl/key.pem"
mv "$new/cert.pem" "$ssl/cert.pem"
cd /opt/mailcow-dockerized
docker compose exec -T postfix-mailcow postfix reload
docker compose exec -T dovecot-mailcow dovecot reload
docker compose exec -T nginx-mailcow nginx -s reload
