#!/bin/sh
# Installs a renewed certificate and its key in Mailcow, and proves that they are served. Laid here by cowhand.
#
#   mailcow-cert-deploy.sh [--folder FOLDER] [--authority FILE] NAME…
#   mailcow-cert-deploy.sh [--folder FOLDER] [--authority FILE] --restore NAME…
#
# Reads the certificate with its chain, a line "---" and the private key from standard input; with --restore the pair
# that was installed before this one is put back instead. FOLDER is Mailcow's. NAMEs are those the certificate must be
# for; the first is asked for in the handshakes. FILE holds the roots to trust in place of this machine's.
#
# It is all that the pusher's key can do here (command="…" in authorized_keys): nothing that the other side sends is
# taken for anything but a pair, and no byte of it is repeated. One line says how it ended:
#   0 installed and served (on standard output)     2 wrong arguments
#   10 the pair was refused     11 another deployment runs     12 this machine is not ready     (nothing was changed)
#   13 it was not served: the previous pair is back
#   14 it was not served, and the previous pair is not back: somebody has to look
#
# Until the pair is accepted the key is in no file. It is written beside the old one and renamed, key and certificate by
# one mv; from there on no signal stops this script before it has an end. It never signals a container: pid 1 of
# Mailcow's is a supervisor that SIGHUP stops. All paths are below what stands before /usr/local/ of this file's own
# path: nothing on a host, a folder in tests.
set -u
umask 077
limit=131072 # bytes; the longest chains have a tenth of it
patience=30  # seconds for the whole input, and for each command in a container
queue=60     # seconds to wait for another deployment
settle=20    # seconds until the daemons must show the new certificate
smallest=86400 # seconds a certificate must still be valid
largest=8192 # bits of a key: nobody signs a larger one, and to check it would take hours
# service:port:the protocol that starts TLS; HTTPS_PORT of mailcow.conf stands for 443
ports='postfix:25:smtp postfix:465: postfix:587:smtp dovecot:110:pop3 dovecot:143:imap dovecot:993: dovecot:995:'
ports="$ports dovecot:4190:sieve nginx:443:"

case $0 in
*/usr/local/*) root=${0%/usr/local/*} ;;
*) root= ;;
esac
LC_ALL=C
PATH=$root/usr/local/sbin:$root/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
export LC_ALL PATH
unset IFS CDPATH ENV BASH_ENV OPENSSL_CONF SSL_CERT_FILE SSL_CERT_DIR DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG
unset input chain key pair # what the caller has exported would hand them on to every command
nl='
'
cr=$(printf '\r')
store=$root/var/lib/cowhand/certificate
work='' folder=/opt/mailcow-dockerized authority='' restore=''

tell() { # tell PRIORITY WORDS: in the log of this machine too, where it has one
  [ ! -S "$root/dev/log" ] || timeout -s KILL 5 logger -t mailcow-cert-deploy -p "mail.$1" -- "$2" 2>/dev/null
}

end() { # end STATUS WORDS
  [ -z "$work" ] || rm -rf -- "$work"
  tell err "$2"
  printf '%s\n' "$2" >&2
  exit "$1"
}

refuse() { # the pair is at fault
  end 10 "refused: $1; nothing was changed"
}

unready() { # this machine is
  end 12 "not ready: $1; nothing was changed"
}

# ── what was sent ────────────────────────────────────────────────────────────────────────────────────────────────────

receive() { # sets input
  input=$({ timeout -s KILL "$patience" head -c "$((limit + 1))" 2>/dev/null; echo "=$?"; } | tr '\000' '\001')
  status=${input##*=}
  input=${input%=*}
  [ "$status" = 0 ] || refuse "the input did not end within $patience seconds"
}

shape() { # says what is wrong with the lines of the input, by their numbers alone
  printf '%s\n' "$input" | awk '
    function bad(what) { print what; told = 1; exit }
    /^$/ && (place == "between" || place == "after" || place == "") { next }
    place == "" || place == "between" {
      if ($0 == "-----BEGIN CERTIFICATE-----") { if (++count > 10) bad("it has more than 10 certificates"); place = "in"; next }
      if ($0 == "---" && count) { place = "before"; next }
      if (!count) bad("line " NR " is no certificate")
      bad("line " NR " is neither a certificate nor the separator")
    }
    place == "before" && /^$/ { next }
    place == "before" && /^-----BEGIN ENCRYPTED PRIVATE KEY-----$/ { bad("the key has a passphrase") }
    place == "before" && /^-----BEGIN (RSA |EC )?PRIVATE KEY-----$/ { kind = substr($0, 12); place = "key"; next }
    place == "before" { bad("line " NR " is no private key") }
    place == "in" && $0 == "-----END CERTIFICATE-----" { place = "between"; next }
    place == "key" && substr($0, 10) == kind && /^-----END / { place = "after"; next }
    (place == "in" || place == "key") && length($0) <= 76 && /^[A-Za-z0-9+\/]+=?=?$/ { next }
    place == "key" && /^(Proc-Type|DEK-Info):/ { bad("the key has a passphrase") }
    place == "after" { bad("line " NR " follows the key") }
    { bad("line " NR " is damaged") }
    END {
      if (told) exit
      if (place == "") print "it is empty"
      if (place == "in") print "it ends in a certificate"
      if (place == "between") print "there is no key"
      if (place == "before") print "it ends before the key"
      if (place == "key") print "it ends in the key"
    }'
}

take_apart() { # sets chain, key and count
  case $input in
  *"$cr"*) refuse 'it has carriage returns' ;;
  *[!\ -~"$nl"]*) refuse 'it has bytes that PEM has not' ;;
  esac
  [ "${#input}" -le "$limit" ] || refuse "it is longer than $limit bytes"
  wrong=$(shape) || unready 'awk failed'
  [ -z "$wrong" ] || refuse "$wrong"
  chain=${input%%"$nl---$nl"*}
  key=$(printf '%s\n' "${input#*"$nl---$nl"}")
  input=''
  count=$(printf '%s\n' "$chain" | grep -c BEGIN)
}

in_time() { # in_time WORD…: a key can be made to keep openssl busy for hours, and with it the lock
  timeout -s KILL "$patience" "$@" 2>/dev/null
}

compare() { # whether key and certificate belong together; sets fingerprint and until
  told=$(printf '%s\n' "$chain" | in_time openssl x509 -noout -fingerprint -sha256 -enddate -dateopt iso_8601) ||
    refuse 'its first certificate cannot be read'
  fingerprint=$(printf '%s\n' "$told" | sed -n 's/^sha256 Fingerprint=//ip' | tr -d ':' | tr A-F a-f)
  until=$(printf '%s\n' "$told" | sed -n 's/^notAfter=\(.*\) \(.*Z\)$/\1T\2/p')
  found=$(printf '%s\n' "$chain" | in_time openssl storeutl -noout -certs /dev/stdin)
  [ "${found##*: }" = "$count" ] || refuse 'a certificate of its chain cannot be read'
  public=$(printf '%s\n' "$key" | in_time openssl pkey -pubout -passin pass:) || refuse 'its key cannot be read'
  [ "$public" = "$(printf '%s\n' "$chain" | in_time openssl x509 -noout -pubkey)" ] ||
    refuse 'its key does not belong to its certificate'
  bits=$(printf '%s\n' "$public" | in_time openssl pkey -pubin -noout -text | sed -n 's/.*Public-Key: (\([0-9]*\) bit.*/\1/p')
  [ "${bits:-0}" -le "$largest" ] || refuse "its key has more than $largest bits"
  sound=$(printf '%s\n' "$key" | in_time openssl pkey -check -noout -passin pass:)
  [ "$sound" = 'Key is valid' ] || refuse 'its key is damaged'
}

trust() { # whether clients will take the certificate: its dates, its chain, its names
  roots="-CApath $root/etc/ssl/certs -no-CAfile"
  [ -z "$authority" ] || roots='-no-CApath -CAfile'
  for each; do
    # shellcheck disable=SC2086 # these are several words
    told=$(timeout -s KILL "$patience" openssl verify $roots ${authority:+"$authority"} -no-CAstore -auth_level 2 -purpose sslserver \
      -verify_hostname "$each" -untrusted "$work/cert.pem" "$work/cert.pem" 2>&1) && continue
    told=$(printf '%s\n' "$told" | sed -n 's/^error \([0-9]*\) at \([0-9]*\) depth lookup.*/\1 \2/p' | head -n 1)
    which='its certificate'
    [ "${told#* }" = 0 ] || which='a certificate of its chain'
    case ${told% *} in
    9) refuse "$which is not valid yet; here it is $(date -u +%Y-%m-%dT%H:%M:%SZ)" ;;
    10) refuse "$which has expired; here it is $(date -u +%Y-%m-%dT%H:%M:%SZ)" ;;
    62) refuse "its certificate is not for $each" ;;
    7) refuse 'a signature in its chain does not hold' ;;
    18 | 19) refuse 'it is signed by itself, or by a root that is not trusted here' ;;
    2 | 20 | 21 | 27) refuse 'its chain does not lead to a root that is trusted here' ;;
    24 | 26 | 79) refuse "$which is of a kind that is not meant for this" ;;
    66 | 67 | 68) refuse "$which has a key or a signature that is too weak" ;;
    *) refuse "openssl verify does not accept it${told:+ (error ${told% *})}" ;;
    esac
  done
  in_time openssl x509 -noout -checkend "$smallest" -in "$work/cert.pem" >/dev/null 2>&1 ||
    refuse "its certificate ends within a day, at $until; here it is $(date -u +%Y-%m-%dT%H:%M:%SZ)"
}

# ── this machine ─────────────────────────────────────────────────────────────────────────────────────────────────────

setting() { # setting KEY: prints its value in mailcow.conf
  sed -n "s/^$1=//p" "$folder/mailcow.conf" 2>/dev/null | tail -n 1 | tr -d "\"'\r"
}

whole() { # whether key and certificate that are installed now belong together
  public=$(in_time openssl pkey -pubout -passin pass: -in "$ssl/key.pem") &&
    [ "$public" = "$(in_time openssl x509 -noout -pubkey -in "$ssl/cert.pem")" ]
}

others() { # others FOLDER: whether another user could change it, or lay another in its place
  where=$(cd -P -- "$1" 2>/dev/null && pwd) || return 0
  last=yes
  while :; do
    told=$(stat -c '%u %a' -- "$where") || return 0
    case ${told% *} in 0 | "$(id -u)") ;; *) return 0 ;; esac
    case $last${told#* } in no1???) ;; *[2367]? | *[2367]) return 0 ;; esac
    [ "$where" != / ] || return 1
    where=${where%/*} last=no
    where=${where:-/}
  done
}

places() { # the files and folders that will be written
  [ -d "$ssl" ] || unready "$ssl is not there"
  # What is looked at now is what is written in: a link on the way there may lead elsewhere later.
  ssl=$(cd -P -- "$ssl" 2>/dev/null && pwd) || unready "$ssl cannot be entered"
  # Who may change it could lay a link in the way, and have the key written where they read it.
  ! others "$ssl" || unready "$ssl is not a folder that root alone can change: chown root it, or chmod go-w"
  for each in "$ssl/cert.pem" "$ssl/key.pem"; do
    [ ! -L "$each" ] || unready "$each is a symbolic link, which leads nowhere inside the containers"
    [ ! -e "$each" ] || [ -f "$each" ] || unready "$each is not a file"
  done
  for each in "$ssl"/*/domains; do
    [ -f "$each" ] && [ -f "${each%domains}cert.pem" ] && [ -f "${each%domains}key.pem" ] || continue
    for word; do
      in_time head -c "$limit" -- "$each" | tr -s ' \t\r' '\n\n\n' | grep -qxiF -e "$word" -e "*.${word#*.}" || continue
      unready "${each%/domains} has a certificate of its own for $word, which wins over cert.pem"
    done
  done
}

container() { # container SERVICE: sets id, "" when it does not run
  id=$(timeout -s KILL "$patience" docker ps --quiet --no-trunc --filter "label=com.docker.compose.project=$project" \
    --filter "label=com.docker.compose.service=$1-mailcow" --filter label=com.docker.compose.oneoff=False \
    --filter status=running 2>/dev/null) || unready 'docker does not answer'
  case $id in *[!0-9a-f]*) unready "more than one container is $1-mailcow" ;; esac
}

inside() { # inside SERVICE WORD…: runs a command in its container
  eval "id=\$$1"
  shift
  timeout -s KILL "$patience" docker exec "$id" "$@" </dev/null >/dev/null 2>&1
}

look() { # look ADDRESS PORT PROTOCOL: sets seen to the SHA-256 of what is shown there, "closed" or "nothing"
  seen=nothing
  told=$(timeout -s KILL 10 openssl s_client -no-CAfile -no-CApath -no-CAstore -connect "$1:$2" -servername "$name" \
    ${3:+-starttls "$3"} </dev/null 2>&1)
  status=$?
  case $told in *connect:errno=*) seen=closed ;; esac
  [ "$status" = 0 ] || return 0
  told=$(printf '%s\n' "$told" | openssl x509 -noout -fingerprint -sha256 2>/dev/null) || return 0
  seen=$(printf '%s\n' "${told#*=}" | tr -d ':' | tr A-F a-f)
}

daemons() { # sets the ids of the containers, and doors: what takes connections now, and what it shows
  project=$(setting COMPOSE_PROJECT_NAME)
  project=${project:-mailcowdockerized}
  https=$(setting HTTPS_PORT)
  case $https in '' | *[!0-9]*) https=443 ;; esac
  postfix='' dovecot='' nginx='' asleep='' doors=''
  for service in postfix dovecot nginx; do
    container "$service"
    if [ -z "$id" ]; then
      [ -z "$intact" ] || unready "$service-mailcow does not run"
      asleep="$asleep $service-mailcow" # it may be this pair that keeps it from running
      continue
    fi
    eval "$service=\$id"
    address=$(timeout -s KILL "$patience" docker inspect \
      --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$id" 2>/dev/null)
    address=${address%% *}
    case $address in '' | *[!0-9.]*) unready "$service-mailcow has no address" ;; esac
    any=
    for each in $ports; do
      [ "${each%%:*}" = "$service" ] || continue
      port=${each#*:}
      protocol=${port#*:}
      port=${port%%:*}
      [ "$port" != 443 ] || port=$https
      look "$address" "$port" "$protocol"
      [ "$seen" != closed ] || continue
      any=yes
      doors="$doors $service,$address,$port,$protocol,$seen"
    done
    [ -n "$any" ] || [ "$service" = nginx ] || unready "$service-mailcow takes no connection on any of its ports"
  done
  [ -n "$doors" ] || unready 'none of the containers runs'
  sound_postfix || unready "$wrong"
}

sound_postfix() { # a reload with a broken main.cf ends Postfix, with status 0
  wrong='postconf -c /opt/postfix/conf fails in postfix-mailcow: a reload would end Postfix'
  [ -z "$postfix" ] || inside postfix postconf -c /opt/postfix/conf
}

# ── the change ───────────────────────────────────────────────────────────────────────────────────────────────────────

reload() { # status 1 when one could not be; wrong says which
  sound_postfix || return 1
  wrong='postfix reload failed in postfix-mailcow'
  [ -z "$postfix" ] || inside postfix postfix reload || return 1
  wrong='dovecot reload failed in dovecot-mailcow'
  [ -z "$dovecot" ] || inside dovecot dovecot reload || return 1
  wrong='nginx -t fails in nginx-mailcow'
  [ -z "$nginx" ] || inside nginx nginx -t || return 1
  wrong='nginx -s reload failed in nginx-mailcow'
  [ -z "$nginx" ] || inside nginx nginx -s reload
}

served() { # served [SHA256]: whether every door shows it (none: what it showed before); wrong and where say which
  tries=0 where=''
  for each in $doors; do
    rest=${each#*,}
    address=${rest%%,*} rest=${rest#*,}
    port=${rest%%,*} rest=${rest#*,}
    wanted=${1:-${rest#*,}}
    wrong="port $port of ${each%%,*}-mailcow does not show it"
    look "$address" "$port" "${rest%%,*}"
    until [ "$seen" = "$wanted" ]; do
      [ "$tries" -lt "$settle" ] || return 1
      tries=$((tries + 1))
      sleep 1
      look "$address" "$port" "${rest%%,*}"
    done
    where="$where $port"
  done
}

back() { # back WORDS: the previous pair takes its place again
  why=$1
  [ -n "$intact" ] || end 14 "not served: $why; there was no usable pair before, so the new one stays"
  (enter "$work/back" && mv -f -- key.pem cert.pem "$ssl/") 2>/dev/null && sync "$ssl" || {
    kept=$work work='' # what is in it may be needed
    end 14 "not served: $why; the previous pair could not be put back from $kept/back"
  }
  reload || end 14 "not served: $why; the previous pair is back, but $wrong"
  served || end 14 "not served: $why; the previous pair is back, but then $wrong"
  end 13 "not served: $why; the previous pair is back"
}

blocks() { # blocks KIND NAME: prints the blocks of that kind that are installed, itself and not through a link
  in_time dd if="$ssl/$2.pem" iflag=nofollow,nonblock,fullblock bs="$limit" count=1 | tr -d '\r' |
    sed -n "/^-----BEGIN $1-----/,/^-----END $1-----/p"
}

# The folder of the pair is also that of a container, whose root could lay links in it at any moment: what is written
# there is written from within a folder that was entered, as a new file, and what is kept is never read.

enter() { # enter FOLDER: status 1 when it is not that very folder, without a link on the way
  cd -P -- "$1" 2>/dev/null && [ "$(pwd -P)" = "$1" ]
}

# A name that can be known before is never opened there: not even `set -C` keeps from a link to a device, or to a pipe.

write() ( # write TEXT FILE: a new one, through nobody's link
  read -r fresh </proc/sys/kernel/random/uuid || exit
  fresh=${2%"${2##*/}"}.$fresh
  trap 'rm -f -- "$fresh"' EXIT
  set -C && printf '%s\n' "$1" 2>/dev/null >"$fresh" && sync "$fresh" 2>/dev/null &&
    [ "$(in_time cat "$fresh")" = "$1" ] && mv -f -T -- "$fresh" "$2" 2>/dev/null
)

hold() ( # the installed pair itself, to put it back; in another folder it would not be moved back by one rename
  enter "$work/back" || exit
  for each in key.pem cert.pem; do
    read -r fresh </proc/sys/kernel/random/uuid || exit
    ln -- "$ssl/$each" ".$fresh" 2>/dev/null || { # a file system without hard links
      text=$(blocks '.*' "${each%.pem}") && [ -n "$text" ] && write "$text" ".$fresh" || exit
      chmod --reference="$ssl/$each" -- ".$fresh" || exit
    }
    [ ! -L ".$fresh" ] && [ -f ".$fresh" ] && mv -f -T -- ".$fresh" "$each" 2>/dev/null || exit
  done
  sync key.pem cert.pem . 2>/dev/null
)

keep() { # the installed pair, for --restore; the same pair twice does not push the one before out
  [ -n "$intact" ] || return 0
  ! in_time cmp -s "$ssl/cert.pem" "$work/cert.pem" || return 0
  pair=$(blocks CERTIFICATE cert && echo --- && blocks '.*PRIVATE KEY' key) &&
    case $pair in *CERTIFICATE*KEY*) ;; *) false ;; esac &&
    write "$pair" "$store/previous.new" && mv -f "$store/previous.new" "$store/previous.pem"
}

deploy() { # deploy NAME…
  name=$1
  ssl=$folder/data/assets/ssl
  places "$@"
  work=$ssl/.cowhand
  rm -rf -- "$work" 2>/dev/null
  mkdir -- "$work" 2>/dev/null && (enter "$work" && mkdir -- back) 2>/dev/null || {
    work=''
    unready "$ssl cannot be written"
  }
  (enter "$work" && umask 022 && write "$chain" cert.pem) || unready "$ssl cannot be written"
  [ -n "$restore" ] || trust "$@"
  intact=
  ! whole || intact=yes
  daemons
  (enter "$work" && write "$key" key.pem && sync cert.pem . 2>/dev/null) || unready "$ssl cannot be written"
  keep || unready "$store cannot be written"
  [ -z "$intact" ] || hold || unready "$ssl cannot be written"
  (enter "$work" && mv -f -- key.pem cert.pem "$ssl/") 2>/dev/null && sync "$ssl" || back 'it could not be put in place'
  reload || back "$wrong"
  served "$fingerprint" || back "$wrong"
  rm -rf -- "$work"
  work=
  [ -z "$asleep" ] || end 14 "installed $fingerprint, for the pair before was unusable;$asleep did not run: start it"
  done="${restore:-installed} $fingerprint until $until, served on$where"
  tell notice "$done"
  printf '%s\n' "$done"
}

while [ $# -gt 0 ]; do
  case $1 in
  --folder | --authority)
    [ $# -gt 1 ] || end 2 "$1 needs a path"
    case $2 in /*) ;; *) end 2 "$1 needs a path that begins with /" ;; esac
    [ "$1" = --folder ] && folder=$2 || authority=$root$2
    shift 2
    ;;
  --restore)
    restore=restored
    shift
    ;;
  -*) end 2 "unknown option: $1" ;;
  *) break ;;
  esac
done
[ $# -gt 0 ] || end 2 'a name that the certificate must be for is needed'
for each; do
  case $each in [.-]* | *[!A-Za-z0-9.-]* | '') end 2 "not a name: $each" ;; esac
done
[ -z "$authority" ] || [ -r "$authority" ] || end 2 "$authority cannot be read"
folder=$root$folder
for each in awk docker flock head openssl sed sync timeout tr; do
  command -v "$each" >/dev/null || unready "$each is missing"
done
if [ -z "$restore" ]; then
  receive
  take_apart
fi
trap : HUP INT QUIT TERM PIPE XFSZ
(umask 022 && mkdir -p -- "${store%/*}") 2>/dev/null && { mkdir -- "$store" 2>/dev/null || [ -d "$store" ]; } &&
  : 2>/dev/null >>"$store/lock" || unready "$store cannot be written"
exec 9>>"$store/lock"
flock -w "$queue" 9 || end 11 "another deployment has run for $queue seconds; nothing was changed"
if [ -n "$restore" ]; then
  input=$(cat "$store/previous.pem" 2>/dev/null) || refuse 'there is no previous pair'
  take_apart
fi
compare
deploy "$@"
