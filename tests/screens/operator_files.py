"""The operator's own three files, word for word."""

HAPROXY = """\
listen smtp
    bind :25
    bind :::25 v6only
    mode tcp
    option tcplog
    server mailcow 10.10.10.214:10025 send-proxy check port 10025

listen smtps
    bind :465
    bind :::465 v6only
    mode tcp
    option tcplog
    server mailcow 10.10.10.214:10465 send-proxy check port 10465

listen imaps
    bind :993
    bind :::993 v6only
    mode tcp
    option tcplog
    server mailcow 10.10.10.214:10993 send-proxy check port 10993

listen sieve
    bind :4190
    bind :::4190 v6only
    mode tcp
    option tcplog
    server mailcow 10.10.10.214:14190 send-proxy check port 14190
"""

TOFU = """\
resource "incus_storage_volume" "mailcow_var_lib_docker" {
  name         = "mailcow_var_lib_docker"
  pool         = incus_storage_pool.default.name
  content_type = "block"
  config = {
    "size" = "50GiB"
  }
}

resource "incus_storage_volume" "mailcow_opt" {
  name         = "mailcow_opt"
  pool         = incus_storage_pool.default.name
  content_type = "block"
  config = {
    "size" = "10GiB"
  }
}

resource "incus_instance" "mailcow" {
  name  = "mailcow"
  image = "images:ubuntu/24.04"
  type  = "virtual-machine"

  config = {
    "limits.cpu"    = 6
    "limits.memory" = "6GiB"
  }

  device {
    name = "root"
    type = "disk"
    properties = {
      size = "25GiB"
      path = "/"
      pool = incus_storage_pool.default.name
    }
  }

  device {
    name = "var_lib_docker"
    type = "disk"
    properties = {
      # Mount manually inside the VM: path = "/var/lib/docker"
      source = incus_storage_volume.mailcow_var_lib_docker.name
      pool   = incus_storage_pool.default.name
    }
  }

  device {
    name = "opt"
    type = "disk"
    properties = {
      # Mount manually inside the VM: path = "/opt"
      source = incus_storage_volume.mailcow_opt.name
      pool   = incus_storage_pool.default.name
    }
  }
}
"""

COMPOSE = """\
##
## Set haproxy_trusted_networks in Dovecot's extra.conf!
##
services:

  dovecot-mailcow:
    ports:
      - "${IMAP_PORT_HAPROXY:-0.0.0.0:10143}:10143"
      - "${IMAPS_PORT_HAPROXY:-0.0.0.0:10993}:10993"
      - "${POP_PORT_HAPROXY:-0.0.0.0:10110}:10110"
      - "${POPS_PORT_HAPROXY:-0.0.0.0:10995}:10995"
      - "${SIEVE_PORT_HAPROXY:-0.0.0.0:14190}:14190"

  postfix-mailcow:
    ports:
      - "${SMTP_PORT_HAPROXY:-0.0.0.0:10025}:10025"
      - "${SMTPS_PORT_HAPROXY:-0.0.0.0:10465}:10465"
      - "${SUBMISSION_PORT_HAPROXY:-0.0.0.0:10587}:10587"
    environment:
      - MAILCOW_HOSTNAME=relay.benoit.jp.net
"""
