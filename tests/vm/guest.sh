#!/bin/bash
# Runs as root inside the virtual machine that tests/vm/run boots, with the built tree in /srv/agent. TAP goes to
# standard output. The tests are in parts/, read in the order below or in that of $PARTS. The ordinary user `tester' lingers, so
# there is a systemd user session without a login.
cd /srv/agent || exit 1
export PYTHONDONTWRITEBYTECODE=1 TEST_PATIENCE=${TEST_PATIENCE:-8}
# A part of its own, with boots of its own.
[ -z "${VM_CLOCK:-}" ] || exec /usr/bin/python3 tests/vm/clock.py "$VM_CLOCK"
export SANDBOX=/srv/agent/build/agent-sandbox
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
lacks() { # TEXT PART NAME
    case $1 in *"$2"*) ok 1 "$3" "$1" ;; *) ok 0 "$3" ;; esac
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
whole() { # NAME OUTPUT: session.py, run to its end, said that all is well; its last point counts the others
    local bad=1
    [[ $2 != *"not ok"* && $'\n'$2 == *$'\n'1..[1-9]* ]] && bad=0
    ok $bad "$1" "$2"
}
image() { # an image of a few folders; /usr and the tree are bound from this machine. Its archive is /tmp/place.tar
    local d root=/tmp/place
    mkdir -p $root/{etc,tmp,usr,work,proc,dev,sys,run,data,results,srv/agent}
    chmod 1777 $root/tmp
    for d in bin sbin lib lib64; do ln -sfn usr/$d $root/$d; done
    cp -a /etc/ld.so.cache /etc/alternatives /etc/passwd /etc/group $root/etc/
    tar -C $root -cf $root.tar .
}
bound=(-v /usr:/usr:ro -v /srv/agent:/srv/agent:ro --network none --rm -e PYTHONDONTWRITEBYTECODE=1 -e "TEST_PATIENCE=$TEST_PATIENCE")
in_docker() { # OPTIONS... place COMMAND...
    docker run "${bound[@]}" "$@" 2>&1
}
in_podman() { # OPTIONS... place COMMAND...: of the user
    local quoted
    printf -v quoted '%q ' "${bound[@]}" "$@"
    as_tester "cd /tmp && podman --storage-driver vfs run $quoted"
}
docker_ready() { # is docker running, with the image `place'?
    command -v dockerd >/dev/null || return 1
    docker image inspect place >/dev/null 2>&1 && return
    modprobe -a overlay veth 2>/dev/null
    dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs >/tmp/dockerd.log 2>&1 &
    for _ in $(seq 300); do docker version >/dev/null 2>&1 && break; sleep 0.5; done
    image
    ok "$(docker import /tmp/place.tar place >/dev/null; echo $?)" "dockerd starts" "$(tail -20 /tmp/dockerd.log)"
    note "docker $(docker version -f '{{.Server.Version}}'), confined by $(in_docker place cat /proc/self/attr/apparmor/current)"
    docker image inspect place >/dev/null 2>&1
}

dmesg -n 1
chmod 755 /srv/agent && chmod -R a+rX /srv/agent
for _ in $(seq 300); do [ -S "/run/user/$USER_ID/bus" ] && break; sleep 0.2; done
note "$(. /etc/os-release; echo "$PRETTY_NAME"), Linux $(uname -r), $(systemctl --version | head -1)"
note "user session: $(cat "/sys/fs/cgroup/user.slice/user-$USER_ID.slice/user@$USER_ID.service/cgroup.controllers" 2>&1)"

default="limits apparmor container pod podman timer hostile"
[ ! -e /sys/fs/selinux/enforce ] || default=selinux
for part in ${PARTS:-$default}; do
    # shellcheck source=/dev/null
    . "tests/vm/parts/$part.sh"
done
echo "1..$count"
[ $failed = 0 ]
