#!/usr/bin/env bash
# What `make test` runs: style, types, and every test; arguments go to pytest.
#
# Some tests need programs of other authors. Where this runs as root the missing ones are installed (Debian's packages,
# and the npm packages of tests/interop/node); where that cannot be done, their tests are left out, a line says so, and
# with CI=true that alone is a failure.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

NODE=tests/interop/node
failed=()
left_out=()

heading() { printf '\n== %s ==\n' "$1"; }

# Run a step under a heading; it is remembered when it fails.
step() {
    heading "$1"
    local started=$SECONDS
    "${@:2}" || failed+=("$1")
    printf -- '-- %s: %d s\n' "$1" $((SECONDS - started))
}

has_curl() { command -v curl >/dev/null; }
has_tshark() { command -v tshark >/dev/null; }
has_chromium() { command -v chromium >/dev/null; }
has_npm() { command -v node >/dev/null && command -v npm >/dev/null; }
has_perl() { perl -MNet::SMPP -MJSON::PP -e 1 2>/dev/null; }
has_node_packages() { has_npm && [ "$NODE/node_modules/.package-lock.json" -nt "$NODE/package-lock.json" ]; }

install_missing() {
    local missing=()
    has_curl || missing+=(curl)
    has_tshark || missing+=(tshark)
    has_chromium || missing+=(chromium)
    has_perl || missing+=(libnet-smpp-perl)
    has_npm || missing+=(nodejs npm)
    if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        echo "Installing ${missing[*]} ..."
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update
        apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null
    fi
    if has_npm && ! has_node_packages; then
        echo "Installing the packages of $NODE ..."
        (cd "$NODE" && npm ci --silent && touch node_modules/.package-lock.json)
    fi
}

# Deselect the tests of a marker whose program is not there, and say so.
marks=""
leave_out() {
    left_out+=("$2")
    marks="${marks:+$marks and }not $1"
}

run_pytest() {
    local output status
    output=$(mktemp)
    # Two at a time: much of what tests do is wait for processes. A file stays with one worker, in the order of conftest.py.
    python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder ${marks:+-m "$marks"} "$@" | tee "$output"
    status=${PIPESTATUS[0]}
    # A test that skips itself was left out as well.
    local skipped
    skipped=$(tail -n 1 "$output" | grep -oE '[0-9]+ skipped') && left_out+=("$skipped by pytest")
    rm -f "$output"
    return "$status"
}

heading "programs of other authors"
install_missing
has_curl || leave_out curl "the tutorial, run as written: curl is missing"
has_tshark || leave_out interop_tshark "interop with Wireshark: tshark is missing"
has_perl || leave_out interop_perl "interop with Perl: Net::SMPP is missing"
has_node_packages || leave_out interop_node "interop with Node.js: the packages of $NODE are missing"
has_chromium && has_node_packages || leave_out browser "the console in a browser: Chromium or the packages of $NODE are missing"
[ ${#left_out[@]} -gt 0 ] || echo "All there."

step "ruff check" ruff check --quiet .
step "ruff format" ruff format --quiet --check .
step "mypy" mypy
step "pytest" run_pytest "$@"

heading "result"
for one in "${left_out[@]}"; do echo "LEFT OUT: $one"; done
if [ ${#failed[@]} -gt 0 ]; then
    printf -v list '%s, ' "${failed[@]}"
    echo "FAILED: ${list%, }"
    exit 1
fi
if [ ${#left_out[@]} -gt 0 ] && [ "${CI:-}" = true ]; then
    echo "FAILED: not everything was run"
    exit 1
fi
if [ ${#left_out[@]} -gt 0 ]; then
    echo "Passed, but for what was left out, in $SECONDS s."
else
    echo "Everything passed, in $SECONDS s."
fi
