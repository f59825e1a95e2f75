# shellcheck shell=bash
# --- Podman of an ordinary user
if ! command -v podman >/dev/null; then
    skip "podman is not installed"
else
    image
    out=$(as_tester "cd /tmp && podman --storage-driver vfs import /tmp/place.tar place")
    ok $? "$(podman --version), as an ordinary user" "$out"
    for who in 0 1000; do
        out=$(in_podman -u $who place "$SANDBOX" -- echo RAN)
        lacks "$out" RAN "podman, user $who: strict refuses"
        has "$out" "Operation not permitted. this looks like a container" "... says why"
        has "$out" "--backend best" "... and what else may be done"
        read -ra options <<<"$(printf '%s' "$out" | sed -n "s/.*podman run \(.*\) \.\.\.'.*/\1/p")"
        out=$(in_podman "${options[@]}" -u $who place "$SANDBOX" --check)
        ok $? "podman, user $who: every layer holds with the options that the error names (${options[*]})" "$out"
        has "$out" "back end: namespaces" "... by namespaces"
        out=$(in_podman -u $who place "$SANDBOX" --backend best --check)
        case $out in
        *"Landlock must hold"*) skip "podman, user $who: Landlock is too old here, so best refuses too: $out" ;;
        *) has "$out" "back end: Landlock and seccomp, without namespaces" "podman, user $who: best takes the second back end" ;;
        esac
    done
fi
