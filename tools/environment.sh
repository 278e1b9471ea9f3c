# Sourced by tools/trapline and tools/test: makes .venv in the checkout and installs trapline into it.
# Needs python3 (3.11 or newer) with its venv module, and pip.

root=$(dirname "$(dirname "$(readlink -f -- "$0")")")  # no cd: with CDPATH set it prints
venv="$root/.venv"

die() {
    echo "${0##*/}: $*" >&2
    exit 2
}

# install EXTRAS: at most once for each place of the checkout and state of what says how to install it
install() {
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$(python3 --version 2>&1): expected Python 3.11 or newer"
    state="$root $(cat "$root/pyproject.toml" "$root/setup.py" | cksum)"
    for stamp in "$venv"/.installed*; do
        [ -f "$stamp" ] && grep -qxF "$1 $state" "$stamp" && return 0
    done
    for stamp in "$venv"/.installed*; do  # of another state: what follows takes its place
        [ ! -f "$stamp" ] || grep -qF " $state" "$stamp" || rm -f "$stamp"
    done
    [ -x "$venv/bin/python" ] || make_venv
    echo "${0##*/}: installing into $venv (once)" >&2
    pip_install "$root$1" || die "pip could not install $root$1; see above"
    echo "$1 $state" >"$venv/.installed$(echo "$1" | tr -dc a-z)"
}

make_venv() {
    # Debian's python3 has venv but not always ensurepip; then the pip outside does the installing.
    python3 -m venv "$venv" >/dev/null 2>&1 || python3 -m venv --clear --without-pip "$venv" || die "python3 -m venv failed"
}

pip_install() {
    if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$@" >&2
    else
        python3 -m pip --python "$venv/bin/python" install --quiet --disable-pip-version-check --editable "$@" >&2
    fi
}
