#!/bin/sh
# Lets nobody but the proxy reach Mailcow's PROXY ports: fills a chain of its own, and has DOCKER-USER begin with it.
# Laid by cowhand as /usr/local/sbin/cowhand-proxy-filter; its unit runs it after each start of Docker.
#
#   cowhand-proxy-filter RULES
#
# RULES has lines "FAMILY PORT ADDRESS": with FAMILY 4 or 6, a published port, and who may reach it ("-": nobody). A port
# that is named is closed to all others. Each family is changed in one piece, or not at all; where nothing is named, the
# chain is taken away. It may be run again. Rules of others are left alone.
set -eu

chain=COWHAND-PROXY
rules=$1
[ -r "$rules" ] || {
  echo "$rules cannot be read" >&2
  exit 2
}
# What Docker has redirected to a container, by the port that was dialled; answers are let through.
match='-m conntrack --ctstate DNAT --ctdir ORIGINAL --ctorigdstport'

named() { # named FAMILY: its lines
  awk -v family="$1" '$1 == family { print $2, $3 }' "$rules"
}

wanted() { # wanted FAMILY: the rules of our chain
  named "$1" | while read -r port address; do
    [ "$address" = - ] || echo "-A $chain -s $address $match $port -j RETURN"
  done
  named "$1" | cut -d ' ' -f 1 | sort -nu | while read -r port; do
    echo "-A $chain $match $port -j DROP"
  done
}

jumps() { # jumps TABLES: how often DOCKER-USER leads to our chain
  "$1" -w 10 -S DOCKER-USER 2>/dev/null | grep -c -x -e "-A DOCKER-USER -j $chain" || :
}

fill() { # fill TABLES FAMILY
  "$1" -w 10 -S DOCKER-USER >/dev/null 2>&1 || {
    echo "$1 has no chain DOCKER-USER: Docker does not filter by it" >&2
    exit 3
  }
  count=$(jumps "$1")
  first=$("$1" -w 10 -S DOCKER-USER | sed -n '/^-A/{p;q;}')
  {
    echo '*filter'
    echo ":$chain - [0:0]"
    wanted "$2"
    if [ "$count" != 1 ] || [ "$first" != "-A DOCKER-USER -j $chain" ]; then
      while [ "$count" -gt 0 ]; do
        echo "-D DOCKER-USER -j $chain"
        count=$((count - 1))
      done
      echo "-I DOCKER-USER -j $chain"
    fi
    echo COMMIT
  } | "$1-restore" -w 10 --noflush
}

clear() { # clear TABLES
  "$1" -w 10 -S "$chain" >/dev/null 2>&1 || return 0
  count=$(jumps "$1")
  while [ "$count" -gt 0 ]; do
    "$1" -w 10 -D DOCKER-USER -j "$chain"
    count=$((count - 1))
  done
  "$1" -w 10 -F "$chain"
  "$1" -w 10 -X "$chain"
}

for family in 4 6; do
  tables=iptables
  [ "$family" = 4 ] || tables=ip6tables
  if [ -n "$(named "$family")" ]; then
    fill "$tables" "$family"
  else
    clear "$tables"
  fi
done
