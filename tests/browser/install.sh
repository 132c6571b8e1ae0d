#!/usr/bin/env bash
# Gets the browser and the Chinese fonts that the browser tests need, on Debian and its relatives, as root.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk > /dev/null
