# shellcheck shell=bash
# --- SELinux enforcing, with the policy of Debian; as on Fedora a user who logs in is unconfined_t
as_unconfined() {
    runcon unconfined_u:unconfined_r:unconfined_t:s0 setpriv --reuid tester --regid tester --init-groups \
        env -i HOME=/home/tester PATH=/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 "TEST_PATIENCE=$TEST_PATIENCE" "$@" 2>&1
}
denials() { dmesg | grep 'avc: *denied' | grep -E 'comm="(agent|agent-sandbox|sandbox-keeper|agent-egress|python3)"'; }
ok "$([ "$(cat /sys/fs/selinux/enforce)" = 1 ]; echo $?)" "control: SELinux is enforcing"
ok "$(! runcon user_u:user_r:user_t:s0 true 2>/dev/null; echo $?)" "control: it refuses what its policy does not permit"
note "started as $(id -Z); the user is $(as_unconfined id -Z)"
out=$(make NO_DEPS=1 install 2>&1)
ok $? "make install" "$out"
restorecon -R /usr/local
out=$(/usr/local/bin/agent-sandbox --check 2>&1)
ok $? "root, as a service: every layer holds" "$out"
has "$out" "memory limit by cgroup version 2" "... and cgroup version 2 holds the limits"
out=$(as_unconfined agent-sandbox --check)
ok $? "user: every layer holds" "$out"
has "$out" "memory limit by cgroup version 2" "... and cgroup version 2 holds the limits"
whole "user: a question and a batch" "$(AGENT=/usr/local/bin/agent as_unconfined tests/vm/session.py)"
ok "$(dmesg | grep -q 'avc: *denied .*comm="runcon"'; echo $?)" "control: what it refuses is in the log"
ok "$([ -z "$(denials)" ]; echo $?)" "SELinux denied nothing to any of our processes" "$(denials)"
