#!/bin/sh
# Starts nginx in the container's foreground, with what HTTP_REDIRECT asks for on port 80.
if [ "$HTTP_REDIRECT" = y ]; then echo 'return 301 https://$host$request_uri;'; fi >/etc/nginx/redirect
exec nginx -g 'daemon off;'
