#!/bin/sh
# shellcheck disable=SC2046,SC2086 # lists of file names without spaces, meant to be split
# Who may include whom (docs/DESIGN.md), and what each program links.
cd "$(dirname "$0")/.." || exit 1
n=0
check() { # check NAME OFFENDERS
    n=$((n + 1))
    if [ -z "$2" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        echo "$2" | sed 's/^/# /'
    fi
}
inc() { grep -nE "^ *# *include +[\"<]$1" $2 /dev/null; }

files() { find "$@" -name '*.[chS]' | sort; }
check "base includes only itself and system headers" \
    "$(grep -nE '^ *# *include +"' $(files agent/base) | grep -vE '"(agent/base/)?[a-z0-9_]+\.h"')"
check "base includes no header above it" "$(inc '(agent/[a-z_]+\.h|providers/|sandbox/|prompts/)' "$(files agent/base)")"
check "providers include no sandbox and no agent" "$(inc '(sandbox/|agent/[a-z_]+\.h|prompts/)' "$(files providers)")"
check "sandbox includes no providers and no agent" "$(inc '(providers/|agent/[a-z_]+\.h|prompts/)' "$(files sandbox)")"
check "prompts include only base" "$(inc '(providers/|sandbox/|agent/[a-z_]+\.h)' "$(files prompts)")"
check "agent knows of the sandbox only sandbox.h" "$(inc 'sandbox/' "$(ls agent/*.[ch])" | grep -v 'sandbox/sandbox\.h')"
check "agent knows no codec" "$(inc 'providers/' "$(ls agent/*.[ch])" | grep -vE 'providers/(client|chat|services|models)\.h')"
check "curl.h only in providers/http.c" "$(inc 'curl/' "$(files agent providers sandbox prompts)" | grep -v '^providers/http\.c:')"
check "seccomp.h only in sandbox/seccomp*" "$(inc 'seccomp\.h' "$(files agent providers sandbox prompts)" | grep -vE '^sandbox/seccomp[a-z_]*\.[ch]:')"
check "sys/capability.h only in sandbox/caps.c" "$(inc 'sys/capability\.h' "$(files agent providers sandbox prompts)" | grep -v '^sandbox/caps\.c:')"
check "no cJSON type in a header but by name" "$(inc 'cjson/' "$(find agent providers sandbox prompts -name '*.h')")"
check "banned.h is in every source file" "$(grep -L 'banned\.h"' $(find agent providers sandbox prompts -name '*.c' | grep -vE 'sandbox/(checkpoint|context|restore|seccomp_gen)\.c'))"
check "exit() only in main.c, and in the helper" "$(grep -nE '[^_a-z]exit\(' $(ls agent/*.c agent/base/*.c providers/*.c) | grep -v '^agent/main\.c:')"
helper=${SANDBOX_PROGRAM:-build/agent-sandbox}
check "agent-sandbox links no TLS, no HTTP and no JSON" \
    "$(ldd "$helper" 2>&1 | grep -E 'curl|ssl|crypto|cjson|gnutls|not found')"
echo "1..$n"
