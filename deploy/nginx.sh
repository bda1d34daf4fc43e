#!/bin/sh
# deploy/nginx.conf is tested with Debian's nginx. Where we may, it is installed; tests/nginx says what
# is missing. The service that the package brings is not started.
set -u

has() {
    PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null
}

if ! has nginx && [ "$(id -u)" = 0 ] && has apt-get; then
    echo "Installing nginx for the tests of deploy/nginx.conf …"
    export DEBIAN_FRONTEND=noninteractive
    # Its package starts a service on port 80 unless this says that it must not.
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=1; }
    apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light >/dev/null
    [ -z "${ours:-}" ] || rm -f "$policy"
fi
exit 0
