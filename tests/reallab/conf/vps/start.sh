#!/bin/bash
set -euo pipefail
. /run/lab/conf/common.sh systemctl
mkdir -p /etc/haproxy/certs /run/haproxy
rm -f /etc/haproxy/certs/*
install -m600 /run/shared/well.pem /etc/haproxy/certs/mail.pem
cp /run/lab/conf/vps/haproxy.cfg /etc/haproxy/haproxy.cfg
cp /run/shared/mail.cfg /etc/haproxy/mail.cfg
cp -a /etc/haproxy /var/lib/haproxy.first  # what a reset goes back to
systemctl start ssh
systemctl start haproxy
