# shellcheck shell=bash
# --- AppArmor's restriction of user namespaces
# Ubuntu's kernel restricts every program without a profile (kernel.apparmor_restrict_unprivileged_userns). Debian's has no such
# setting; from Linux 6.7 on its AppArmor mediates user namespaces of what is confined. So there a profile confines the user's
# shell, in either way of Ubuntu's: no namespace at all, or one in which no capability is to be had. Both leave to each program
# that has a profile of its own that profile, as Ubuntu does.
setting=apparmor_restrict_unprivileged_userns
mediated=$(cat /sys/kernel/security/apparmor/features/namespaces/mask 2>/dev/null)

confining() { # NAME RULES: a profile that permits all but what RULES leave out
    apparmor_parser -r <<PROFILE
abi <abi/4.0>,
profile $1 flags=(attach_disconnected) {
  /{**,} rwlkm,
  /** pix,
  network, mount, remount, umount, pivot_root, ptrace, signal, dbus, unix, change_profile, mqueue, io_uring,
  $2
}
PROFILE
}
restricted() { # COMMAND ARGUMENTS...: of the user, in the shell of this $way
    local quoted
    printf -v quoted '%q ' "$@"
    [ "$way" = ubuntu ] || printf -v quoted 'aa-exec -p %q -- bash -c %q' "$way" "$quoted"
    as_tester "cd /srv/agent && $quoted"
}
# The setting as Ubuntu has it, for programs that only read it: it covers a part of /proc, so no sandbox starts below it.
with_setting() {
    unshare -m bash -c "mount -t tmpfs none /proc/sys/kernel && echo 1 >/proc/sys/kernel/$setting && $(declare -f restricted as_tester)
        way=$way restricted $(printf '%q ' "$@")" 2>&1
}
refusal() { # without our profile
    local out advice="make install install-apparmor"
    out=$(restricted unshare -Ur true)
    ok "$([ -n "$out" ]; echo $?)" "$way: control: unshare -Ur is refused" "$out"
    out=$(restricted "$SANDBOX" -- echo RAN; echo "status $?")
    has "$out" "clone with new namespaces" "$way: what is refused is said,"
    has "$out" "$advice" "... and what mends it"
    has "$out" "status 125" "... with status 125"
    lacks "$out" RAN "... and nothing ran"
    has "$(restricted "$SANDBOX" --check; echo "status $?")" "$advice" "$way: --check names it too"
    has "$(restricted build/agent exec -c 'print(1)'; echo "status $?")" "status 5" "$way: agent ends with status 5"
    has "$(restricted build/agent doctor | tr -s ' \n' ' ')" "$advice" "$way: agent doctor names it"
    [ "$way" != ubuntu ] || return 0
    has "$out" "by the profile \`$way'" "$way: the profile is named"
    has "$(with_setting "$SANDBOX" -- echo RAN)" "kernel.$setting is 1" "$way: where Ubuntu's setting is seen, it is named"
    has "$(with_setting build/agent doctor | tr -s ' \n' ' ')" "> sudo make install install-apparmor" "$way: ... and doctor says what to type"
}
# Every namespace by unshare(2), one after the other: what is refused is -1.
unshare_all='import ctypes
print([ctypes.CDLL(None).unshare(f) for f in (0x10000000, 0x10020000, 0x10000000 | 0x40000000, 0x20000, 0x20000000, 0x40000000, 0x02000000)])'
permission() { # with our profile
    local out installed=/usr/local/bin
    out=$(restricted $installed/agent-sandbox -- echo RAN)
    ok "$([ "$out" = RAN ]; echo $?)" "$way, with the profile: it runs" "$out"
    out=$(restricted $installed/agent-sandbox --check)
    ok $? "$way, with the profile: every layer holds" "$out"
    whole "$way, with the profile: a question and a batch" \
        "$(restricted env AGENT=$installed/agent PYTHONDONTWRITEBYTECODE=1 "TEST_PATIENCE=$TEST_PATIENCE" tests/vm/session.py)"
    out=$(restricted unshare -Ur true)
    ok "$([ -n "$out" ]; echo $?)" "$way: others stay restricted" "$out"
    for copy in "$SANDBOX" /home/tester/agent-sandbox; do
        lacks "$(restricted "$copy" -- echo RAN)" RAN "$way: so does $copy, which is not the installed one"
    done
    out=$(restricted $installed/agent-sandbox -- /usr/bin/python3 -c "$unshare_all")
    ok "$([ "$out" = "[-1, -1, -1, -1, -1, -1, -1]" ]; echo $?)" "$way: code inside gets no namespace" "$out"
    out=$(restricted $installed/agent-sandbox -- sh -c "echo INSIDE; unshare -Ur echo RAN || $installed/agent-sandbox -- echo RAN || aa-exec -p agent-sandbox -- unshare -Ur echo RAN")
    ok "$([[ $out == INSIDE* && $out != *RAN* ]]; echo $?)" "$way: ... neither by another agent-sandbox, nor by its profile" "$out"
}

ways=''
if [ -e /proc/sys/kernel/$setting ]; then
    ways=ubuntu
    old=$(cat /proc/sys/kernel/$setting)
    echo 1 >/proc/sys/kernel/$setting
elif [[ $mediated == *userns_create* ]]; then
    confining refused "capability, deny userns," && confining powerless "userns," && ways="refused powerless"
    ok $? "profiles that restrict the user's shell are loaded"
fi
if [ -z "$ways" ]; then
    skip "this kernel's AppArmor has no restriction of user namespaces"
else
    install -m 755 "$SANDBOX" /home/tester/agent-sandbox
    out=$(as_tester "python3 -c '$unshare_all'")
    [ "$ways" = ubuntu ] || has "$out" "[0, " "control: a shell that nothing confines makes a user namespace"
    for way in $ways; do refusal; done
    out=$(make NO_DEPS=1 install install-apparmor 2>&1)
    ok $? "make install install-apparmor" "$out"
    for way in $ways; do permission; done
    out=$(make NO_DEPS=1 uninstall 2>&1)
    ok $? "make uninstall" "$out"
    ok "$(! grep -q '^agent-sandbox ' /sys/kernel/security/apparmor/profiles; echo $?)" "... unloads the profile"
    [ "$ways" != ubuntu ] || echo "$old" >/proc/sys/kernel/$setting
fi
