# shellcheck shell=bash
# --- a job's timer fires
for who in root tester; do
    run="/usr/bin/python3 tests/vm/timer.py"
    if [ $who = root ]; then out=$($run 2>&1); r=$?; else out=$(as_tester "cd /srv/agent && $run"); r=$?; fi
    ok $r "$who: agent job install: systemd's timer runs the job, first with a model and then without" "$out"
    note "$(printf '%s\n' "$out" | grep '^# \[' | cut -c1-300)"
done
