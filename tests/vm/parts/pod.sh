# shellcheck shell=bash
# --- a pod as the restricted Pod Security Standard wants it, emulated by Docker's options: runAsNonRoot, readOnlyRootFilesystem,
# --- allowPrivilegeEscalation false, all capabilities dropped, seccomp RuntimeDefault, emptyDir volumes, a memory limit
if ! docker_ready; then
    skip "docker is not installed"
else
    mkdir -p /srv/empty/{tmp,results}
    chmod 1777 /srv/empty/*
    in_pod() {
        in_docker --read-only --cap-drop ALL --security-opt no-new-privileges -u 1000:1000 --memory 2g \
            -v /srv/empty/tmp:/tmp -v /srv/empty/results:/results -w /results -e HOME=/tmp "$@"
    }
    out=$(in_pod place sh -c 'touch /x; grep -E "CapBnd|NoNewPrivs|Seccomp:" /proc/self/status; id -u')
    has "$(tr -s '\t\n' ' ' <<<"$out")" "Read-only file system CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 1000" "control: it is such a pod"
    out=$(in_pod place "$SANDBOX" --backend best --check)
    case $out in
    *"Landlock must hold"*) skip "pod: Landlock is too old here, so best refuses: $out" ;;
    *)
        has "$out" "back end: Landlock and seccomp, without namespaces" "pod: best takes the second back end"
        lacks "$out" FAILS "... and what it promises holds"
        whole "pod: strict refuses; with best a question and the shard of JOB_COMPLETION_INDEX are answered" \
            "$(in_pod place /srv/agent/tests/vm/session.py --sandbox=best)"
        ;;
    esac
    out=$(find /srv/empty -mindepth 2)
    ok "$([ -z "$out" ]; echo $?)" "pod: nothing is left in its volumes" "$out"
fi
