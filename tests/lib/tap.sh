# shellcheck shell=bash
# TAP for shell tests of whole runs. Source it, then:
#     serve '[{"text": "It is 4."}]'          the scripted provider, answering by this script
#     run_agent "what is 2+2?"                sets $status, $out, $err; never longer than $patience
#     is "$status" 0 "answered"
#     done_testing
# Each test file has a home, a working directory and a temporary directory of its own, and nothing
# of the caller's environment. The variables $stdin (a file, default /dev/null) and the array
# agent_env=(NAME=VALUE ...) change how the program is started.
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
AGENT=${AGENT:-$TOP/build/agent}
AGENT=$(cd "$(dirname "$AGENT")" && pwd)/${AGENT##*/}
PYTHON=/usr/bin/python3
KEY=sk-test-canary-7f3a9c51d2e84b60
patience=${patience:-60}
BOX=$(mktemp -d "${TMPDIR:-/tmp}/agent-test-XXXXXX")
mkdir -p "$BOX"/home/{config/agent,share,state,tmp,work} "$BOX/cache"
provider_pid=
count=0 failed=0 status=0 out='' err='' stdin=/dev/null base_url=
agent_env=()

cleanup() {
    [ -n "$provider_pid" ] && kill "$provider_pid" 2>/dev/null
    rm -rf "$BOX"
}
trap cleanup EXIT

if [ ! -x "$AGENT" ]; then
    echo "Bail out! $AGENT is not there: run make first"
    exit 1
fi

# pass CONDITION-STATUS NAME [DIAGNOSIS]
pass() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
        return 0
    fi
    failed=$((failed + 1))
    echo "not ok $count - $2"
    echo "# at ${BASH_SOURCE[2]##*/}:${BASH_LINENO[1]}"
    printf '%s\n' "$3" | head -c 3000 | sed 's/^/#   /'
    return 1
}
ok() { local s=0; [ "$1" -eq 0 ] || s=1; pass "$s" "$2" "${3:-}"; }
is() { local s=0; [ "$1" = "$2" ] || s=1; pass "$s" "$3" "got  $1
want $2"; }
like() { local s=0; grep -Eq -- "$2" <<<"$1" || s=1; pass "$s" "$3" "no match for $2 in:
$1"; }
unlike() { local s=0; ! grep -Eq -- "$2" <<<"$1" || s=1; pass "$s" "$3" "$2 is in:
$1"; }
skip() { count=$((count + 1)); echo "ok $count # SKIP $1"; }
done_testing() { echo "1..$count"; exit $((failed > 0)); }

# serve SCRIPT-AS-JSON: starts the provider anew; its requests are in $BOX/requests.jsonl
serve() {
    [ -n "$provider_pid" ] && kill "$provider_pid" 2>/dev/null
    printf '%s' "$1" >"$BOX/script.json"
    : >"$BOX/requests.jsonl"
    rm -f "$BOX/port"
    mkfifo "$BOX/port"
    "$PYTHON" "$TOP/tests/lib/provider.py" --script "$BOX/script.json" --key "$KEY" \
        --log "$BOX/requests.jsonl" >"$BOX/port" </dev/null &
    provider_pid=$!
    base_url=http://127.0.0.1:$(head -n 1 "$BOX/port")/v1
}

# The environment and limits of every run; the words that follow are the command.
in_box() {
    local helper=()
    [ -n "${SANDBOX_PROGRAM:-}" ] && helper=(AGENT_SANDBOX_HELPER="$(realpath "$SANDBOX_PROGRAM")")
    (cd "$BOX/home/work" && exec timeout -k 5 "$patience" \
        env -i PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME="$BOX/home" \
        XDG_CONFIG_HOME="$BOX/home/config" XDG_DATA_HOME="$BOX/home/share" \
        XDG_STATE_HOME="$BOX/home/state" XDG_CACHE_HOME="${TEST_CACHE:-$BOX/cache}" \
        TMPDIR="$BOX/home/tmp" OPENAI_API_KEY="$KEY" OPENAI_BASE_URL="$base_url" \
        ASAN_OPTIONS="${ASAN_OPTIONS:-}" UBSAN_OPTIONS="${UBSAN_OPTIONS:-}" \
        "${helper[@]}" "${agent_env[@]}" "$@")
}

# shellcheck disable=SC2034  # the test reads them
run_agent() {
    in_box "$AGENT" -m scripted "$@" >"$BOX/out" 2>"$BOX/err" <"$stdin"
    status=$?
    out=$(<"$BOX/out")
    err=$(<"$BOX/err")
    return 0
}
