# Shared by the scripts: sourced, never run. Expects `set -euo pipefail`.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# What the sources ask for: the tools version in Package.swift, and the compiler that they are tested with.
required_swift=6.3

say() { printf '%s\n' "$*" >&2; }
fail() { say "$(basename "$0"): $*"; exit 1; }

# install_packages PACKAGE...: installs the Debian packages that are missing; does nothing, and needs no right, when
# there are none.
install_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed \
            || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    local become=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null \
            || fail "these Debian packages are missing: ${missing[*]}. As root: apt-get install ${missing[*]}"
        become=(sudo)
    fi
    command -v apt-get >/dev/null || fail "these packages are missing, and this is no Debian: ${missing[*]}"
    say "installing ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { "${become[@]}" apt-get update && "${become[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        fail "apt-get could not install ${missing[*]}"
    fi
    rm -f "$log"
}

# What Guildhall is built with and runs on; the first line is what a Swift toolchain needs to compile and link.
install_build_packages() {
    install_packages gcc libc6-dev libcurl4 libstdc++-12-dev libxml2 \
        ca-certificates git libssl-dev libopus-dev librocksdb-dev libsrtp2-dev libuv1-dev pkg-config util-linux zlib1g-dev
}

# etcd, as a program only: where Debian's package starts a service of its own at once, that one is stopped again.
install_etcd() {
    [ -x /usr/bin/etcd ] && return
    install_packages etcd-server
    if [ -d /run/systemd/system ]; then
        local become=()
        [ "$(id -u)" -eq 0 ] || become=(sudo)
        "${become[@]}" systemctl disable --now etcd.service >/dev/null 2>&1 \
            || say "etcd-server's own service could not be stopped: it listens at 127.0.0.1:2379"
    fi
}

# What the fault tests break hosts with.
install_fault_packages() { install_packages faketime iproute2 nftables openssl util-linux; }

# Finds `swift`, also where only swift.org's archive was unpacked to /opt/swift or /usr/local/swift.
find_swift() {
    local folder
    if ! command -v swift >/dev/null; then
        for folder in /opt/swift/usr/bin /usr/local/swift/usr/bin "$HOME/.local/share/swiftly/bin"; do
            if [ -x "$folder/swift" ]; then
                PATH=$folder:$PATH
                break
            fi
        done
    fi
    command -v swift >/dev/null || fail "Swift $required_swift is missing: see https://www.swift.org/install/linux/"
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    [ -n "$version" ] || fail "'swift --version' says nothing that is understood"
    if [ "$(printf '%s\n' "$required_swift" "$version" | sort --version-sort | head -n 1)" != "$required_swift" ]; then
        fail "Swift $required_swift or later is needed; $(command -v swift) is $version"
    fi
}

# build CONFIGURATION ARGUMENTS...: compiles, unless nothing has changed since the last build with the same arguments.
build() {
    local configuration=$1 arguments
    shift
    local stamp=$repository/.build/built-$configuration-$(printf '%s' "$*" | tr -c 'a-z0-9\n' '_')
    local watched=("$repository/Package.swift" "$repository/Sources" "$repository/ops")
    case " $* " in *" --build-tests "*) watched+=("$repository/Tests") ;; esac
    if [ -e "$stamp" ] && [ -e "$(programs_of "$configuration")/guildctl" ] \
        && [ -z "$(find "${watched[@]}" -newer "$stamp" -not -name '__pycache__' -print -quit)" ]; then
        return
    fi
    say "building ($configuration); the first time takes minutes"
    local begun
    begun=$(mktemp)
    for arguments in "$@"; do
        # Words of one argument belong to one call.
        # shellcheck disable=SC2086
        (cd "$repository" && swift build --configuration "$configuration" $arguments) </dev/null >&2 \
            || { rm -f "$begun"; fail "the build failed"; }
    done
    # As old as the begin of the build: what changed meanwhile is built the next time.
    touch --reference="$begun" "$stamp"
    rm -f "$begun"
}

# programs_of CONFIGURATION: the folder that the programs are built into.
programs_of() { printf '%s\n' "$repository/.build/$1"; }

# prepare_python: a virtual environment with what the end-to-end tests need, in .build-venv; made anew when the list of
# requirements changes.
prepare_python() {
    local environment=$repository/.build-venv list=$repository/Tests/EndToEnd/requirements.txt
    install_packages python3 python3-venv
    if cmp --silent "$list" "$environment/requirements.txt"; then return; fi
    say "installing the end-to-end tests' Python packages"
    rm -rf "$environment"
    /usr/bin/python3 -m venv "$environment" || fail "no Python environment could be made at $environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$list" </dev/null >&2 \
        || fail "pip could not install what $list asks for"
    cp "$list" "$environment/requirements.txt"
}
