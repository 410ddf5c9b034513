#!/bin/bash
set -euo pipefail
umask 077
[ "${RENEWED_LINEAGE:-}" = /etc/letsencrypt/live/mail.example.test ] || exit 0
{
  cat "$RENEWED_LINEAGE/fullchain.pem"
  echo "---"
  cat "$RENEWED_LINEAGE/privkey.pem"
} | ssh -i /root/.ssh/deploy -o BatchMode=yes -o StrictHostKeyChecking=yes root@mailcow.incus
cat "$RENEWED_LINEAGE/fullchain.pem" "$RENEWED_LINEAGE/privkey.pem" > /etc/haproxy/certs/mail.pem.new
mv /etc/haproxy/certs/mail.pem.new /etc/haproxy/certs/mail.pem
systemctl reload haproxy
