# What burgee needs on a Debian 12 machine, and how it gets there. Sourced by scripts/demo,
# scripts/test and scripts/bench; never run by itself.
#
#   need_packages run|build|test|bench ...   installs what is missing, or says exactly what to install

packages_of() {
    case "$1" in
        run) echo postgresql-15 ;;
        build)
            echo g++ cmake ninja-build pkg-config libboost1.81-dev libpqxx-dev libpq-dev \
                libsimdjson-dev libxxhash-dev libeigen3-dev libspdlog-dev libcli11-dev \
                libtomlplusplus-dev
            ;;
        test) echo libgtest-dev libgmock-dev systemd clang-14 libclang-rt-14-dev pgbouncer ;;
        bench) echo libgtest-dev libgmock-dev libbenchmark-dev ;;
        *) echo "packages.sh: unknown group '$1'" >&2; return 1 ;;
    esac
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs while no service may start (policy-rc.d, Debian's way; one that is there already stays), and
# takes pgbouncer out of the next boot: the tests run their own, and 6543 or 6432 is not ours to occupy.
install_without_services() {
    local policy=/usr/sbin/policy-rc.d own_policy=no failed=0
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
        own_policy=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" || failed=1
    if [ "$own_policy" = yes ]; then rm -f "$policy"; fi
    case " $* " in
        *" pgbouncer "*) systemctl disable pgbouncer >/dev/null 2>&1 || true ;;
    esac
    return $failed
}

# Asks for no prompt, starts no cluster: postgresql-common would otherwise create one as it installs.
install_packages() {
    echo "installing: $*" >&2
    mkdir -p /etc/postgresql-common
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        printf 'create_main_cluster = false\n' >/etc/postgresql-common/createcluster.conf
    fi
    local log
    log=$(mktemp)
    if ! { apt-get update -qq && install_without_services "$@"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        echo "apt-get could not install: $*" >&2
        return 1
    fi
    rm -f "$log"
}

need_packages() {
    local group package missing=()
    if ! command -v dpkg-query >/dev/null; then
        echo "this is not a Debian machine; install the equivalents of:" >&2
        for group in "$@"; do packages_of "$group" >&2; done
        return 1
    fi
    for group in "$@"; do
        for package in $(packages_of "$group"); do
            is_installed "$package" || missing+=("$package")
        done
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -eq 0 ]; then
        install_packages "${missing[@]}"
    else
        echo "missing packages; as root, run:" >&2
        echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
        return 1
    fi
}

# The argument for cmake that builds through ccache where there is one. Without one it takes out what an
# earlier configuration may have left in the build directory.
compiler_launcher() {
    echo "-DCMAKE_CXX_COMPILER_LAUNCHER=$(command -v ccache || true)"
}
