# shellcheck shell=bash
# --- every layer, and which back end holds the limits
check=$($SANDBOX --check 2>&1)
ok $? "root: every layer holds" "$check"
has "$check" "memory limit by cgroup version 2" "root: the limits are held by cgroup version 2"
check=$(as_tester "$SANDBOX" --check)
ok $? "user: every layer holds" "$check"
has "$check" "memory limit by cgroup version 2" "user: the limits are held by cgroup version 2"
check=$(as_nobody "$SANDBOX" --check)
ok $? "user without a session: every layer holds" "$check"
has "$check" "per-process limits and a watcher" "user without a session: by the watcher"
has "$check" "loginctl enable-linger" "user without a session: and what mends it is said"

# --- each limit, its name, and what stays below it
suite root "root: limits and their causes" tests/sandbox/status.t
suite tester "user: limits and their causes" tests/sandbox/status.t

# --- out of memory kills the cell, and the session goes on (systemd must not stop the scope for it)
cat >/tmp/cells <<'CELLS'
import os; kept = 41; print('first', os.getpid() > 0)
%%%%
import mmap, time
m = mmap.mmap(-1, 900 << 20)
for i in range(0, 900 << 20, 4096): m[i] = 1
time.sleep(5)
%%%%
print('alive', 'kept' in globals())
CELLS
chmod 644 /tmp/cells
for who in root tester; do
    run="SANDBOX_PROGRAM=$SANDBOX build/tests/sandbox/cell --timeout 240000 --memory 400000000 /tmp/cells"
    if [ $who = root ]; then out=$(bash -c "$run" 2>&1); else out=$(as_tester "cd /srv/agent && $run"); fi
    has "$out" "[2 memory" "$who: a cell out of memory is told so"
    has "$out" "out: alive False" "$who: and the session answers the next cell"
done

# --- the share of a processor
out=$(as_tester "$SANDBOX --status-fd 3 --limit cpu-share=20 -- python3 -c 'import time
while time.process_time() < 0.4: pass' 3>&1")
note "cpu-share=20: ${out##*$'\n'}"
wall=$(printf '%s' "$out" | sed -n 's/.*"wall_ms":\([0-9]*\).*/\1/p')
ok "$([ "${wall:-0}" -gt 1200 ]; echo $?)" "user: 0.4 s of a fifth of a processor take more than 1.2 s ($wall ms)" "$out"

# --- the controller that systemd does not give, and the command that the error names
mkdir -p /etc/systemd/system/user@.service.d
printf '[Service]\nDelegate=\nDelegate=memory pids\n' >/etc/systemd/system/user@.service.d/delegate.conf
systemctl daemon-reload && systemctl restart "user@$USER_ID"
out=$(as_tester "$SANDBOX" --limit cpu-share=20 -- echo RAN)
has "$out" "Delegate=cpu memory pids" "cpu-share without the cpu controller is an error that names what mends it"
command=${out##*as root: }
bash -c "$command"
out=$(as_tester "$SANDBOX" --limit cpu-share=20 -- echo RAN)
ok "$([ "$out" = RAN ]; echo $?)" "and after that very command it is held" "$command -> $out"
rm -r /etc/systemd/system/user@.service.d
systemctl daemon-reload && systemctl restart "user@$USER_ID"

# --- nothing stays: also after SIGKILL of the helper, its keeper, and both
until_none groups "no group is left"
until_none scopes "no scope is left"
for victims in agent-sandbox sandbox-keeper both; do
    su tester -c "exec env -i $SANDBOX -- sleep 9753" >/dev/null 2>&1 &
    for _ in $(seq 100); do pgrep -x sleep >/dev/null && break; sleep 0.2; done
    ok "$([ -n "$(groups)" ]; echo $?)" "kill $victims: control: the group is there"
    case $victims in
    both) pkill -KILL -u tester -x 'agent-sandbox|sandbox-keeper' ;;
    *) pkill -KILL -u tester -x $victims ;;
    esac
    [ $victims = sandbox-keeper ] && pkill -KILL -u tester -x sleep
    wait
    until_none groups "kill $victims: no group is left"
    until_none scopes "kill $victims: no scope is left"
    ok "$(! pgrep -x sleep >/dev/null; echo $?)" "kill $victims: no process is left"
done

# --- without a bus
systemctl --user -M tester@ stop dbus.socket dbus.service 2>/dev/null
mv "/run/user/$USER_ID/bus" "/run/user/$USER_ID/bus.away" 2>/dev/null
out=$(as_tester "$SANDBOX" --status-fd 3 -- true '3>&1')
has "$out" "dbus-user-session" "without the user's bus: weaker, with what mends it"
mv "/run/user/$USER_ID/bus.away" "/run/user/$USER_ID/bus" 2>/dev/null
systemctl restart "user@$USER_ID"
