#!/bin/bash
# An event listener of supervisord: when a program of the container dies, the container ends.
printf 'READY\n'
while read -r line; do
    echo "Processing Event: $line" >&2
    kill -3 "$(cat /var/run/supervisord.pid)"
done
