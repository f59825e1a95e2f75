#!/bin/bash
# The headless contract: the answer and nothing else on standard output, the rest on standard error,
# no escape code where no terminal is, every status as documented.
# shellcheck source=tests/lib/tap.sh disable=SC2016
. "$(dirname "$0")/../lib/tap.sh"
ESC=$'\033'
ONE_CELL='[{"text": "Let me look.", "calls": [{"name": "execute_python", "arguments":
    {"code": "print(\"printed\")\nopen(\"a.txt\", \"w\").write(\"x\")", "description": "Look at it"}}]},
    {"text": "The answer."}]'

# --- streams
serve "$ONE_CELL"
run_agent "go on"
is "$status" 0 "a run with one cell answers"
is "$out" "The answer." "standard output holds the answer"
is "$(wc -c <"$BOX/out")" 12 "and nothing else, with one newline"
like "$err" "Look at it" "progress is on standard error"
like "$err" "a\.txt" "files that were made are named there"
unlike "$err" "$ESC" "no escape code where standard error is no terminal"
unlike "$err" $'\r' "and no spinner"
serve "$ONE_CELL"
run_agent "go on" -q
is "$status:$out" "0:The answer." "-q: the answer"
is "$err" "" "-q: nothing on standard error"
serve "$ONE_CELL"
run_agent "go on" -v
is "$out" "The answer." "-v: standard output is the same"
like "$err" 'print\("printed"\)' "-v shows the code"
like "$err" "^.*printed" "-v shows its output"
like "$err" "Let me look" "-v shows the model's text"
serve "$ONE_CELL"
run_agent "go on" --show-code
like "$err" 'print\("printed"\)' "--show-code shows the code"
serve "$ONE_CELL"
run_agent "go on" -o "$BOX/answer.txt" -q
is "$(<"$BOX/answer.txt")" "The answer." "-o writes the answer to a file"
is "$out" "The answer." "and to standard output all the same"
serve '[{"text": "x"}]'
run_agent "go on" -o /nonexistent/dir/answer.txt
like "$err" "/nonexistent/dir" "an -o that cannot be written is named"
ok "$((status == 0))" "and is no success"
serve '[{"text": "A line with its own newline.\n"}]'
run_agent "go on"
is "$(wc -l <"$BOX/out")" 1 "an answer that ends in a newline does not get a second one"

# --- standard output that does not take the answer
serve "$ONE_CELL"
in_box "$AGENT" -m scripted "go on" >/dev/full 2>"$BOX/err" </dev/null
status=$?
is "$status" 1 "a full disk under standard output: status 1"
like "$(<"$BOX/err")" "No space left" "and it says so"
session=$(find "$BOX/home/share/agent/sessions" -mindepth 1 -maxdepth 1 -printf '%T@ %p\n' | sort -n | tail -n 1)
like "$(cat "${session#* }/answer.md")" "The answer" "the answer is in the record"
serve "$ONE_CELL"
in_box "$AGENT" -m scripted "go on" 2>"$BOX/err" </dev/null | true
unlike "$(<"$BOX/err")" "Broken pipe.*Broken pipe|core dumped" "a reader who has gone is no drama"
serve "$ONE_CELL"
in_box bash -c 'exec "$0" -m scripted "go on" >&-' "$AGENT" 2>"$BOX/err" </dev/null
status=$?
ok "$((status == 0))" "a closed standard output is no success"
serve "$ONE_CELL"
in_box bash -c 'exec "$0" -m scripted "go on" 2>&-' "$AGENT" >"$BOX/out" </dev/null
status=$?
is "$status:$(<"$BOX/out")" "0:The answer." "a closed standard error does not matter"

# --- on a terminal
on_tty() { # runs the program with a terminal as standard error (and output), into $tty
    tty=$(in_box env TERM="${TERM_IS:-xterm}" script -qec "$(printf '%q ' "$AGENT" -m scripted "$@")" /dev/null </dev/null)
}
if command -v script >/dev/null; then
    serve "$ONE_CELL"
    on_tty "go on" --color always
    like "$tty" "$ESC\[" "--color always colours"
    serve "$ONE_CELL"
    agent_env=(NO_COLOR=1)
    on_tty "go on"
    unlike "$tty" "$ESC\[[0-9;]*[1-9][0-9;]*m" "NO_COLOR: no colour on a terminal"
    agent_env=()
    serve "$ONE_CELL"
    TERM_IS=dumb on_tty "go on"
    unlike "$tty" "$ESC" "TERM=dumb: no escape code on a terminal"
    serve "$ONE_CELL"
    on_tty "go on" -q
    unlike "$tty" "$ESC" "-q: no escape code on a terminal"
else
    skip "script(1) is not installed: no terminal to show on (package bsdutils)"
fi
serve "$ONE_CELL"
run_agent "go on" --color never
unlike "$err" "$ESC" "--color never"

# --- help and version need nothing
base_url='' agent_env=(OPENAI_API_KEY=)
run_agent --help
is "$status" 0 "--help: status 0"
like "$out" "agent .*-f" "--help shows how it is called"
ok "$(awk 'length > 80' "$BOX/out" | wc -l)" "--help fits 80 columns" "$(awk 'length > 80' "$BOX/out")"
is "$err" "" "--help is on standard output"
run_agent -V
like "$out" "^agent [0-9]+\.[0-9]+" "--version names itself and its version"
run_agent
is "$status" 2 "no question: status 2"
like "$err" "(--help|question)" "no question: it says what to do"
run_agent ""
is "$status" 2 "an empty question: status 2"
is "$out" "" "usage errors keep standard output clean"
done_testing
