#!/bin/sh
# Install Chromium, in which some tests open the pages; without the right to, they are skipped.
set -u

for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium for the tests that look at the pages …"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null && exit 0
fi

echo "NOTE: there is no Chromium on this machine, so the tests that look at the pages are skipped."
