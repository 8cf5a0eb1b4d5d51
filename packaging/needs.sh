# SPDX-License-Identifier: ISC
# What ./run and ./check need on Debian 12, and how they get it. Sourced by both.
#
#   needs_packages PACKAGE...   says what is missing; as root installs it, else exits with 69
#   needs_users                 as root: the two users that the roles drop to

NEEDS_BUILD="ca-certificates cmake gcc libc6-dev libcdb-dev libconfig-dev libdb5.3-dev
    libdeflate-dev libgdbm-compat-dev libjansson-dev libldap-dev liblmdb-dev libltdl-dev
    libmicrohttpd-dev libsasl2-dev libsqlite3-dev libpcre2-dev libunbound-dev libuv1-dev make pkg-config uthash-dev"
NEEDS_RUN="python3 python3-aiosmtpd"
# g++: the SDK's headers are compiled as C++ too. dnsmasq-base is the program alone, without a service.
NEEDS_CHECK="binutils curl dnsmasq-base file g++ git git-email groff-base iproute2 libcmocka-dev
    libicu72 libmail-deliverystatus-bounceparser-perl libmailtools-perl libnsl2 libsisimai-perl
    msmtp node-nodemailer nodejs perl procps python3-pytest python3-pytest-xdist s-nail strace
    swaks systemd util-linux valgrind zlib1g-dev"

needs_missing() {
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
            printf '%s ' "$package"
    done
}

needs_packages() {
    missing=$(needs_missing "$@")
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "Missing packages: $missing" >&2
        echo "Install them as root:  apt-get install --no-install-recommends $missing" >&2
        exit 69
    fi
    echo "Installing: $missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update &&
        apt-get -qq install -y --no-install-recommends $missing >/dev/null || {
        echo "apt-get could not install: $missing" >&2
        exit 69
    }
}

needs_users() {
    [ "$(id -u)" -eq 0 ] || return 0
    for user in sluice sluice-net; do
        id "$user" >/dev/null 2>&1 && continue
        echo "Adding the system user $user"
        useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin "$user" || exit 69
    done
}
