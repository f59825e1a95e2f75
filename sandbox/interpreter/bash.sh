# Bash inside the sandbox: cells run one after another in this shell, as lines typed at a prompt
# would, and variables, functions, options, traps and the working directory stay.
#
# The messages are those of driver.py, on descriptor 200. A cell is eval'd by the one line of
# __agent_main, which is not in a file and not in a function: errors then say `cell 3: line 2: ...`,
# and `declare` and `local` mean what they mean in a script.
#
# `exit`, `set -e`, an unset variable under `set -u` and the interrupt all end a shell, and the shell
# is where the state is. Ours ends differently: the EXIT trap writes the state down and puts a new
# shell into the same process, which reads it back. What cannot be written down is lost: readonly
# stays readonly, but jobs are no longer known by %1.
#
# Every name of ours begins with __agent_. A cell can break all of this, and then harms itself alone.

__agent_main='. "$1"; [[ -z ${2-} ]] || eval "$(<"$2")"; __agent_begin "${2-}"; set --; [[ ! -v __agent_args ]] || set -- "${__agent_args[@]}"
while __agent_next; do __agent_mend; __agent_status "$__agent_last"; eval "$__agent_code"; { __agent_end "$?"; } 2>/dev/null; done'
__agent_main=${__agent_main//$'\n'/; }

if [[ -z ${BASH_EXECUTION_STRING-} ]]; then
    exec "$BASH" --norc --noprofile -c "$__agent_main" bash "${BASH_SOURCE[0]}"
fi

# ---- messages ----

# One byte of the channel as a number, in __agent_n. Bash reads a NUL as nothing.
__agent_byte() {
    local c
    IFS= builtin read -r -d '' -n 1 -u 200 c || return 1
    builtin printf -v __agent_n %d "'$c" 2>/dev/null
    __agent_n=$((__agent_n & 255))
}

__agent_u32() {
    local i n=0
    for i in 0 8 16 24; do
        __agent_byte || return 1
        n=$((n | __agent_n << i))
    done
    __agent_n=$n
}

# The next message, in __agent_frame.
__agent_receive() {
    local LC_ALL=C left name value
    __agent_frame=()
    __agent_u32 || return 1
    left=$__agent_n
    while ((left > 0)); do
        __agent_byte || return 1
        left=$((left - 5 - __agent_n))
        IFS= builtin read -r -N "$__agent_n" -u 200 name || return 1
        __agent_u32 || return 1
        left=$((left - __agent_n))
        value=
        ((__agent_n == 0)) || IFS= builtin read -r -N "$__agent_n" -u 200 value || return 1
        __agent_frame[$name]=$value
    done
}

__agent_put_u32() {
    local f
    builtin printf -v f '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255))
    builtin printf "$f"
}

# __agent_send NAME VALUE...; a last NAME of the form m:MIME takes its value from the file $__agent_file.
__agent_send() {
    local LC_ALL=C size=0 f i
    local -a all=("$@")
    for ((i = 0; i < $#; i += 2)); do
        size=$((size + 5 + ${#all[i]} + ${#all[i + 1]}))
    done
    [[ -z $__agent_file ]] || size=$((size + __agent_size))
    {
        __agent_put_u32 "$size"
        for ((i = 0; i < $#; i += 2)); do
            builtin printf -v f '\\x%02x' ${#all[i]}
            builtin printf "$f%s" "${all[i]}"
            if [[ -n $__agent_file && ${all[i]} == m:* && ${all[i]} != m:text/plain ]]; then
                __agent_put_u32 "$__agent_size"
                command head -c "$__agent_size" -- "$__agent_file"
            else
                __agent_put_u32 ${#all[i + 1]}
                builtin printf %s "${all[i + 1]}"
            fi
        done
    } >&200 2>/dev/null
}

# ---- what cells may call ----

display() {
    local IFS=$' \t\n' mime= shown
    if [[ ${1-} == -m ]]; then
        mime=${2-}
        shift 2
    fi
    if (($# == 0)); then
        echo "display: usage: display [-m MIME] FILE..." >&2
        return 2
    fi
    for shown; do
        __agent_display "$mime" "$shown" || return 1
    done
}

__agent_display() {
    local mime=$1 __agent_file=$2 __agent_size
    if [[ ! -f $__agent_file || ! -r $__agent_file ]]; then
        echo "display: $__agent_file: is no file that can be read" >&2
        return 1
    fi
    if [[ -z $mime ]]; then
        case ${__agent_file,,} in
        *.png) mime=image/png ;;
        *.jpg | *.jpeg) mime=image/jpeg ;;
        *.svg) mime=image/svg+xml ;;
        *.html | *.htm) mime=text/html ;;
        *.md) mime=text/markdown ;;
        *.json) mime=application/json ;;
        *.tex) mime=text/latex ;;
        *.pdf) mime=application/pdf ;;
        *.txt | *.csv | *.tsv) mime=text/plain ;;
        *)
            echo "display: $__agent_file: of which type? Say: display -m MIME FILE" >&2
            return 1
            ;;
        esac
    fi
    __agent_size=$(command stat -L -c %s -- "$__agent_file") || return 1
    if ((__agent_size > 12582912)); then
        echo "display: $__agent_file: $__agent_size bytes are too many to show (12582912)" >&2
        return 1
    fi
    if [[ -z $__agent_key || $BASHPID != $$ ]]; then
        echo "display: works in the shell of the cell itself, not in a part of a pipe" >&2
        return 1
    fi
    ((__agent_seq++))
    if [[ $mime == text/plain ]]; then
        local text
        text=$(command tr -d '\0' <"$__agent_file")
        __agent_file=
        __agent_send op result key "$__agent_key" seq "$__agent_seq" main 0 m:text/plain "$text"
    else
        __agent_send op result key "$__agent_key" seq "$__agent_seq" main 0 m:text/plain "$2" "m:$mime" ''
    fi
    while __agent_receive; do
        [[ ${__agent_frame[op]-} == ack && ${__agent_frame[seq]-} == "$__agent_seq" ]] && return 0
    done
    return 1
}

# The EXIT trap is ours; a cell's own is kept and runs when the cell exits.
trap() {
    local word ours=
    local -a rest=()
    if (($# < 2)) || [[ $1 == -[lp]* ]]; then
        builtin trap "$@"
        return
    fi
    local -a all=("$@")
    [[ $1 != -- ]] || all=("${@:2}")
    for word in "${all[@]:1}"; do
        case $word in
        EXIT | exit | 0) ours=1 ;;
        *) rest+=("$word") ;;
        esac
    done
    if [[ -n $ours ]]; then
        __agent_on_exit=${all[0]}
        [[ $__agent_on_exit != - ]] || __agent_on_exit=
    fi
    ((${#rest[@]} == 0)) || builtin trap -- "${all[0]}" "${rest[@]}"
}

# ---- state ----

# What belongs to the shell itself and cannot or need not be set again.
__agent_is_ours() {
    case $1 in
    __agent_* | BASH* | COMP_* | DIRSTACK | EPOCH* | EUID | FUNCNAME | GROUPS | HISTCMD | LINENO | PIPESTATUS | PPID | RANDOM | \
        SECONDS | SHELLOPTS | SHLVL | SRANDOM | UID | _) return 0 ;;
    esac
    return 1
}

# Names that cells made, for the report of what was lost. Called where no function of ours has locals
# yet, since compgen would name them. A file instead of $(...): forks are what would cost time here.
__agent_list() {
    __agent_names=
    compgen -v >"$__agent_scratch" && compgen -A function >>"$__agent_scratch" || return 0
    while IFS= builtin read -r __agent_n; do
        [[ -z ${__agent_first[$__agent_n]-} ]] && ! __agent_is_ours "$__agent_n" || continue
        ((${#__agent_names} + ${#__agent_n} < 4096)) || break
        __agent_names+=${__agent_names:+ }$__agent_n
    done <"$__agent_scratch"
}

# The whole state as commands; options come first from who calls, before ours are set.
__agent_save() {
    for __agent_n in $(compgen -v); do
        __agent_is_ours "$__agent_n" || declare -p "$__agent_n"
    done
    declare -p __agent_first __agent_last __agent_seq __agent_on_exit __agent_trace __agent_args __agent_scratch __agent_ifs
    declare -fp
    builtin alias -p
    builtin shopt -p
    builtin trap -p | command grep -v -e ' EXIT$' -e ' SIGINT$' -e '__agent_line=.* ERR$' -e '; : __agent_' || :
}

# ---- a cell ----

__agent_begin() {
    local name
    if [[ -n $1 ]]; then
        IFS=$__agent_ifs
        command rm -f -- "$1" "$__agent_scratch.options"
    else
        declare -gA __agent_first=()
        declare -g __agent_last=0 __agent_seq=0 __agent_on_exit='' __agent_trace='' __agent_scratch
        if ! __agent_scratch=$(command mktemp "${TMPDIR:-/tmp}/.shell-XXXXXX"); then
            echo "bash's driver: no scratch file in ${TMPDIR:-/tmp}; is it full (the limits tmp and inodes), or mktemp missing?" >&2
            exit 1
        fi
        for name in $(compgen -v) $(compgen -A function); do
            __agent_first[$name]=1
        done
    fi
    declare -gA __agent_frame=()
    declare -g __agent_key='' __agent_n=0 __agent_file='' __agent_size=0 __agent_line=0 __agent_code='' __agent_names='' __agent_cut=''
    builtin trap '{ __agent_exit "$?" "$@"; } 2>/dev/null' EXIT
    builtin trap '' INT
    # Bash dies of these in an orderly way, through the EXIT trap and with the last status, 0 as like
    # as not: so each gets a status that tells of it. A trap of the code's own goes before.
    builtin trap -p >"$__agent_scratch"
    IFS= builtin read -r -d '' __agent_n <"$__agent_scratch" || :
    [[ $__agent_n == *" SIGHUP"* ]] || builtin trap 'exit 129; : __agent_' HUP
    [[ $__agent_n == *" SIGUSR1"* ]] || builtin trap 'exit 138; : __agent_' USR1
    [[ $__agent_n == *" SIGUSR2"* ]] || builtin trap 'exit 140; : __agent_' USR2
    [[ $__agent_n == *" SIGALRM"* ]] || builtin trap 'exit 142; : __agent_' ALRM
    [[ $__agent_n == *" SIGTERM"* ]] || builtin trap 'exit 143; : __agent_' TERM
    __agent_n=0
    [[ -n $1 ]] || __agent_send op ready
}

__agent_mend() {
    local fd name
    for fd in 1 2; do
        [[ /dev/fd/$fd -ef /dev/fd/20$fd ]] && continue
        eval "exec $fd>&20$fd"
        name=stdout
        ((fd == 1)) || name=stderr
        echo "[file descriptor $fd ($name) was closed or replaced; it is back]" >&202
    done
}

# The line of the last command that failed: commands of the cell's own level, not of functions, and
# not the eval itself.
__agent_on_err='[[ $BASH_COMMAND == *__agent_* ]] || __agent_line=$LINENO'

__agent_next() {
    local - IFS=$' \t\n'
    set +efuvxn
    if [[ -n $__agent_key ]]; then # `continue` led here
        builtin trap '' INT
        __agent_list
        __agent_finish 0
    fi
    while __agent_receive; do
        [[ ${__agent_frame[op]-} == run ]] || continue
        __agent_key=${__agent_frame[key]-}
        __agent_code=$__agent_trace${__agent_frame[code]-}
        BASH_ARGV0="cell ${__agent_frame[cell]-0}"
        __agent_line=0
        __agent_cut=
        builtin trap -p ERR >"$__agent_scratch"
        [[ -s $__agent_scratch ]] || builtin trap "$__agent_on_err" ERR
        builtin trap '__agent_cut=1; exit 130' INT
        return 0
    done
    builtin trap - EXIT
    exit 0
}

__agent_status() {
    [[ $- == *e* ]] || return "$1"
}

# Standard error is not the cell's here: notes go to 202.
__agent_end() {
    local IFS=$' \t\n'
    builtin trap '' INT
    __agent_trace=
    if [[ $- == *x* ]]; then
        set +x
        __agent_trace='set -x; '
    fi
    __agent_list
    __agent_finish "$1"
    return 0
}

__agent_finish() {
    local - IFS=$' \t\n' status=$1 name=ExitStatus value key=$__agent_key line=$__agent_line
    set +efuvxn
    __agent_last=$status
    builtin trap -p ERR >"$__agent_scratch"
    IFS= builtin read -r -d '' __agent_n <"$__agent_scratch" || : # to the end: there is no NUL
    [[ $__agent_n != *__agent_line=* ]] || builtin trap - ERR
    if ((status != 0)); then
        value="the cell ended with status $status"
        if [[ -n $__agent_cut ]]; then
            name=Interrupt
            value='the cell was interrupted'
        elif ((status <= 2)) && ! __agent_parses; then
            name=SyntaxError
        fi
        ((status <= 128)) || [[ -n $__agent_cut ]] || value+=" (signal $((status - 128)))"
        __agent_excerpt "$line"
        __agent_send op error key "$key" exit "$status" name "$name" value "$value" line "$line" traceback "$__agent_n$name: $value"
    fi
    __agent_key=
    __agent_send op done key "$key" names "$__agent_names"
}

# True when the code can be read at all. Sets line and value in the caller when not.
__agent_parses() {
    local told first
    told=$("$BASH" --norc -n -O extglob 2>&1 <<<"${__agent_code#"$__agent_trace"}") && return 0
    first=${told%%$'\n'*}
    value=${first#*: line *: }
    line=${first#*: line }
    line=${line%%:*}
    [[ $line =~ ^[0-9]+$ ]] || line=0
    return 1
}

# The line that failed, for the traceback; in __agent_n.
__agent_excerpt() {
    local -a all
    __agent_n=
    (($1 > 0)) || return 0
    mapfile -t all <<<"${__agent_code#"$__agent_trace"}"
    [[ -z ${all[$1 - 1]-} ]] || __agent_n="  $BASH_ARGV0, line $1"$'\n'"    ${all[$1 - 1]:0:500}"$'\n'
}

# The shell is about to end: a new one in the same process takes over. No locals: they would be saved.
__agent_exit() {
    [[ -z $__agent_key ]] || __agent_last=$1
    set +o | command grep -v noexec >"$__agent_scratch.options"
    set +efuvxn
    builtin trap '' INT
    __agent_cause=$1
    __agent_ifs=$IFS
    IFS=$' \t\n'
    declare -ga __agent_args=("${@:2}")
    if [[ -n $__agent_on_exit ]]; then
        IFS=$__agent_ifs
        __agent_n=$__agent_on_exit
        __agent_on_exit=
        eval "$__agent_n" 2>&202
        __agent_ifs=$IFS
        IFS=$' \t\n'
    fi
    __agent_list
    __agent_save >"$__agent_scratch.state" && command cat "$__agent_scratch.options" >>"$__agent_scratch.state" || exit "$__agent_cause"
    [[ -z $__agent_key ]] || __agent_finish "$__agent_cause"
    builtin trap - INT # a signal that is ignored now could not be trapped by the new shell
    exec "$BASH" --norc --noprofile -c "$__agent_main" bash "$__agent_driver" "$__agent_scratch.state" 1>&201 2>&202
}

__agent_driver=${BASH_SOURCE[0]}
