# shellcheck shell=bash
# --- Docker: its own profiles, what the error names, and a privileged container
if ! docker_ready; then
    skip "docker is not installed"
else
    for who in 0 $USER_ID; do
        out=$(in_docker -u "$who" place "$SANDBOX" -- echo RAN)
        has "$out" "clone with new namespaces: Operation not permitted" "container, user $who: strict refuses, says what is forbidden,"
        has "$out" "--backend best" "... and what else may be done"
        lacks "$out" RAN "... and nothing ran"
        # The options stand in the error itself; they must do.
        read -ra options <<<"$(printf '%s' "$out" | sed -n "s/.*docker run \(.*\) \.\.\.'.*/\1/p")"
        out=$(in_docker -u "$who" "${options[@]}" place "$SANDBOX" --check)
        ok $? "container, user $who: every layer holds with the options that the error names (${options[*]})" "$out"
        has "$out" "back end: namespaces" "... by namespaces"
        out=$(in_docker -u "$who" --privileged place "$SANDBOX" --check)
        ok $? "privileged container, user $who: every layer holds" "$out"
        has "$out" "back end: namespaces" "... by namespaces"

        out=$(in_docker -u "$who" place "$SANDBOX" --backend best -- echo RAN)
        case $out in
        *"Landlock must hold"*) skip "container, user $who: Landlock is too old here or refused by the engine's filter, so best refuses too: $out" ;;
        *)
            ok "$([ "$out" = RAN ]; echo $?)" "container, user $who: best runs" "$out"
            out=$(in_docker -u "$who" place "$SANDBOX" --backend best --check)
            ok $? "container, user $who: what best promises holds" "$out"
            has "$out" "back end: Landlock and seccomp, without namespaces" "... and it says which back end it is"
            whole "container, user $who: a question and a batch by best, recorded" \
                "$(in_docker -u "$who" place /srv/agent/tests/vm/session.py --sandbox=best)"
            ;;
        esac
    done
    out=$(in_docker -u "$USER_ID" -e HOME=/tmp place /srv/agent/build/agent doctor)
    has "$(tr -s ' \n' ' ' <<<"$out")" "namespaces: clone with new namespaces" "container: agent doctor says what is forbidden"
fi
