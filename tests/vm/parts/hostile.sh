# shellcheck shell=bash
# --- the hostile suite where cgroup version 2 holds the limits
if [ -n "${HOSTILE:-}" ]; then
    suite root "root and user: hostile code" tests/hostile/hostile.t
    suite tester "user, in a scope: hostile code" tests/hostile/hostile.t
    until_none groups "no group is left"
    until_none scopes "no scope is left"
else
    skip "hostile code: HOSTILE=1 adds it (long)"
fi
