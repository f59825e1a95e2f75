#!/bin/bash
# Runs as root inside the virtual machine that tests/vm/run boots, with the built tree in /srv/agent. TAP goes to
# standard output. The ordinary user `tester' lingers, so there is a systemd user session without a login.
cd /srv/agent || exit 1
export PYTHONDONTWRITEBYTECODE=1 TEST_PATIENCE=${TEST_PATIENCE:-8}
SANDBOX=/srv/agent/build/agent-sandbox
USER_ID=$(id -u tester)
count=0 failed=0

ok() { # STATUS NAME [WHY]: STATUS as of a command
    count=$((count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $count - $2"
    else
        failed=$((failed + 1))
        echo "not ok $count - $2"
        printf '%s\n' "${3:-}" | head -40 | sed 's/^/#   /'
    fi
}
skip() {
    count=$((count + 1))
    echo "ok $count # SKIP $1"
}
note() { echo "# $*"; }
has() { # TEXT PART NAME
    case $1 in *"$2"*) ok 0 "$3" ;; *) ok 1 "$3" "$1" ;; esac
}
as_tester() { # a session of its own, as by a login
    su tester -c "$*" 2>&1
}
as_nobody() { # a user without a session
    setpriv --reuid 65534 --regid 65534 --clear-groups env -i "$@" 2>&1
}
scopes() { systemctl list-units 'agent-sandbox*' --all --no-legend --plain; }
groups() { find /sys/fs/cgroup -depth -type d -name 'agent-sandbox*' 2>/dev/null; }
until_none() { # COMMAND NAME: it prints nothing, now or soon
    local out
    for _ in $(seq 100); do
        out=$($1)
        [ -z "$out" ] && break
        sleep 0.2
    done
    ok "$([ -z "$out" ]; echo $?)" "$2" "$out"
}
suite() { # WHO NAME FILE...: files of the test suite
    local who=$1 name=$2 out r
    shift 2
    if [ "$who" = root ]; then out=$(tests/run "$@" 2>&1); r=$?; else out=$(as_tester "cd /srv/agent && TMPDIR=/tmp tests/run $*"); r=$?; fi
    ok $r "$name" "$out"
    note "$(printf '%s\n' "$out" | tail -1)"
}

dmesg -n 1
chmod 755 /srv/agent && chmod -R a+rX /srv/agent
for _ in $(seq 300); do [ -S "/run/user/$USER_ID/bus" ] && break; sleep 0.2; done
note "$(. /etc/os-release; echo "$PRETTY_NAME"), Linux $(uname -r), $(systemctl --version | head -1)"
note "user session: $(cat "/sys/fs/cgroup/user.slice/user-$USER_ID.slice/user@$USER_ID.service/cgroup.controllers" 2>&1)"

# --- every layer, and which back end holds the limits
check=$($SANDBOX --check 2>&1)
ok $? "root: every layer holds" "$check"
has "$check" "memory limit by cgroup version 2" "root: the limits are held by cgroup version 2"
check=$(as_tester $SANDBOX --check)
ok $? "user: every layer holds" "$check"
has "$check" "memory limit by cgroup version 2" "user: the limits are held by cgroup version 2"
check=$(as_nobody $SANDBOX --check)
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
out=$(as_tester $SANDBOX --limit cpu-share=20 -- echo RAN)
has "$out" "Delegate=cpu memory pids" "cpu-share without the cpu controller is an error that names what mends it"
command=${out##*as root: }
bash -c "$command"
out=$(as_tester $SANDBOX --limit cpu-share=20 -- echo RAN)
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
out=$(as_tester $SANDBOX --status-fd 3 -- true '3>&1')
has "$out" "dbus-user-session" "without the user's bus: weaker, with what mends it"
mv "/run/user/$USER_ID/bus.away" "/run/user/$USER_ID/bus" 2>/dev/null
systemctl restart "user@$USER_ID"

# --- AppArmor's restriction of user namespaces
restrict=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" != Y ] || [ ! -e $restrict ]; then
    skip "this kernel's AppArmor has no restriction of user namespaces"
else
    old=$(cat $restrict)
    echo 1 >$restrict
    out=$(as_tester $SANDBOX -- echo RAN)
    if [ "$out" = RAN ]; then
        skip "the setting is there, but this AppArmor does not enforce it for programs without a profile"
    else
        has "$out" "make install install-apparmor" "restricted, without the profile: an error that names what mends it"
        out=$(make NO_DEPS=1 install install-apparmor 2>&1)
        ok $? "make install install-apparmor" "$out"
        out=$(as_tester /usr/local/bin/agent-sandbox -- echo RAN)
        ok "$([ "$out" = RAN ]; echo $?)" "restricted, with the profile: it runs" "$out"
        check=$(as_tester /usr/local/bin/agent-sandbox --check)
        ok $? "and every layer holds" "$check"
        out=$(as_tester unshare -Ur true)
        ok "$([ -n "$out" ]; echo $?)" "others stay restricted" "$out"
    fi
    echo "$old" >$restrict
fi

# --- a container with the engine's own profile
if ! command -v dockerd >/dev/null; then
    skip "docker is not installed"
else
    modprobe -a overlay veth 2>/dev/null
    dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs >/tmp/dockerd.log 2>&1 &
    for _ in $(seq 300); do docker version >/dev/null 2>&1 && break; sleep 0.5; done
    mkdir -p /tmp/image/{etc,tmp,usr,work,proc,dev,sys,run,data}
    chmod 1777 /tmp/image/tmp
    for d in bin sbin lib lib64; do ln -sfn usr/$d /tmp/image/$d; done
    cp -a /etc/ld.so.cache /etc/alternatives /etc/passwd /etc/group /tmp/image/etc/
    out=$(tar -C /tmp/image -c . | docker import - place 2>&1)
    if ! docker version >/dev/null 2>&1; then
        ok 1 "dockerd starts" "$(tail -20 /tmp/dockerd.log)"
    else
        note "docker $(docker version -f '{{.Server.Version}}')"
        for who in 0 $USER_ID; do
            docked() { docker run --rm --network none -u "$who" -v /usr:/usr:ro -v /srv/agent:/srv/agent:ro place "$@" 2>&1; }
            out=$(docked $SANDBOX -- echo RAN)
            has "$out" "--backend best" "container, user $who: strict refuses, and says what there is"
            case $out in *RAN*) ok 1 "container, user $who: nothing ran" "$out" ;; *) ok 0 "container, user $who: nothing ran" ;; esac
            out=$(docked $SANDBOX --backend best -- echo RAN)
            case $out in
            *"Landlock must hold"*) skip "container, user $who: Landlock is too old here or refused by the engine's filter, so best refuses too: $out" ;;
            *)
                ok "$([ "$out" = RAN ]; echo $?)" "container, user $who: best runs" "$out"
                check=$(docked $SANDBOX --backend best --check)
                ok $? "container, user $who: what best promises holds" "$check"
                ;;
            esac
        done
    fi
fi

# --- a job's timer fires
for who in root tester; do
    run="/usr/bin/python3 tests/vm/timer.py"
    if [ $who = root ]; then out=$($run 2>&1); r=$?; else out=$(as_tester "cd /srv/agent && $run"); r=$?; fi
    ok $r "$who: agent job install: systemd's timer runs the job, first with a model and then without" "$out"
    note "$(printf '%s\n' "$out" | grep '^# \[' | cut -c1-300)"
done

# --- the hostile suite where cgroup version 2 holds the limits
if [ -n "${HOSTILE:-}" ]; then
    suite root "root and user: hostile code" tests/hostile/hostile.t
    suite tester "user, in a scope: hostile code" tests/hostile/hostile.t
    until_none groups "no group is left"
    until_none scopes "no scope is left"
else
    skip "hostile code: HOSTILE=1 adds it (long)"
fi
echo "1..$count"
[ $failed = 0 ]
