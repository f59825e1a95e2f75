#!/bin/sh
# What make install puts down, make uninstall takes away; the Debian package has the same, and lintian finds no error.
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
case $build in *san*) echo "1..0 # SKIP a sanitized build is not packaged"; exit 0 ;; esac
[ -w "$build" ] || { echo "1..0 # SKIP $build is another user's, and the package is made there"; exit 0; }
unset MAKEFLAGS MFLAGS MAKELEVEL
n=0
ok() { # ok NAME STATUS [WHY]
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; echo "$3" | sed 's/^/# /'; fi
}
skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
box=$(mktemp -d) || exit 1
trap 'rm -rf "$box"' EXIT
root=$box/root
quiet() { "$@" >"$box/log" 2>&1; }

# Something of another's in a folder that is ours too: it stays.
mkdir -p "$root/opt/x/share/doc/agent" "$root/opt/x/bin"
echo mine >"$root/opt/x/share/doc/agent/notes"
quiet make --no-print-directory install install-apparmor B="$build" DESTDIR="$root" PREFIX=/opt/x NO_DEPS=1
ok "make install with PREFIX and DESTDIR" $? "$(cat "$box/log")"
missing=''
for f in bin/agent bin/agent-sandbox libexec/agent/agent-egress share/man/man1/agent.1 share/man/man1/agent-sandbox.1 \
    share/man/man5/agent.conf.5 share/bash-completion/completions/agent share/zsh/site-functions/_agent \
    share/fish/vendor_completions.d/agent.fish share/doc/agent/agent.conf.example share/doc/agent/README.md; do
    [ -s "$root/opt/x/$f" ] || missing="$missing $f"
done
ok "programs, manual, completions, documents are in their places" "$([ -z "$missing" ]; echo $?)" "missing:$missing"
grep -q '/opt/x/bin/agent-sandbox' "$root/etc/apparmor.d/agent-sandbox"
ok "the AppArmor profile is for the installed path" $?
[ "$(env -i PATH=/usr/bin:/bin HOME="$box" "$root/opt/x/bin/agent" exec --sandbox best -c 'print(6*7)' 2>"$box/log")" = 42 ]
ok "the installed program finds its sandbox and runs code" $? "$(cat "$box/log")"
quiet make --no-print-directory uninstall B="$build" DESTDIR="$root" PREFIX=/opt/x
ok "make uninstall" $? "$(cat "$box/log")"
left=$(find "$root" ! -type d | sed "s,^$root,,")
ok "takes away exactly what was installed" "$([ "$left" = /opt/x/share/doc/agent/notes ]; echo $?)" "left: $left"

if ! command -v dpkg-shlibdeps >/dev/null; then
    skip "the Debian package" "dpkg-dev is not installed"
    echo "1..$n"
    exit 0
fi
mkdir "$box/built"
quiet make --no-print-directory deb B="$build" NO_DEPS=1
ok "make deb" $? "$(cat "$box/log")"
deb=$(tail -n 1 "$box/log")
first=$(sha256sum <"$deb")
quiet make --no-print-directory deb B="$build" NO_DEPS=1
ok "makes the same bytes again" "$([ "$first" = "$(sha256sum <"$deb")" ]; echo $?)"
dpkg-deb -x "$deb" "$box/deb" && dpkg-deb -e "$deb" "$box/control"
missing=''
for f in usr/bin/agent usr/bin/agent-sandbox usr/libexec/agent/agent-egress usr/share/man/man1/agent.1.gz \
    usr/share/man/man1/agent-sandbox.1.gz usr/share/man/man5/agent.conf.5.gz usr/share/doc/agent/copyright \
    usr/share/doc/agent/changelog.gz usr/share/bash-completion/completions/agent etc/apparmor.d/agent-sandbox; do
    [ -s "$box/deb/$f" ] || missing="$missing $f"
done
ok "the package has them all" "$([ -z "$missing" ]; echo $?)" "missing:$missing"
ok "the profile is a conffile" "$([ "$(cat "$box/control/conffiles")" = /etc/apparmor.d/agent-sandbox ]; echo $?)"
for lib in libc6 libcurl libcjson libinih python3; do
    grep -q "^Depends:.*$lib" "$box/control/control" || missing="$missing $lib"
done
ok "it depends on what it links" "$([ -z "$missing" ]; echo $?)" "missing:$missing"
(cd "$box/deb" && md5sum --quiet -c ../control/md5sums) >"$box/log" 2>&1
ok "the sums are right" $? "$(cat "$box/log")"
[ "$("$box/deb/usr/bin/agent" --version)" = "agent $(sed -n 's/^Version: //p' "$box/control/control")" ]
ok "its version is the program's" $?
strings=$(grep -rl "$PWD" "$box/deb" 2>/dev/null)
ok "no path of the builder is in it" "$([ -z "$strings" ]; echo $?)" "$strings"
if command -v lintian >/dev/null; then
    lintian --no-cfg --fail-on error,warning "$deb" >"$box/log" 2>&1
    ok "lintian finds no error and no warning" $? "$(cat "$box/log")"
else
    skip "lintian" "lintian is not installed"
fi
echo "1..$n"
