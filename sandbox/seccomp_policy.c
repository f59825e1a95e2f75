#include "sandbox/seccomp_policy.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "agent/base/banned.h"

/* clang-format off: tables are read by row */
#define TOLD_CODE (SET_CODE | SET_TOLD)
#define ALLOW(sets, calls, why)                                                                    \
    {                                                                                              \
        sets, 0, calls, { OP_ANY, 0, 0, 0 }, why                                                   \
    }
#define WATCH(calls, why)                                                                          \
    {                                                                                              \
        SET_CODE | SET_HEARD, WATCHED, calls, { OP_ANY, 0, 0, 0 }, why                             \
    }
#define WATCH_MASK(call, arg, mask, value, why)                                                    \
    {                                                                                              \
        SET_CODE | SET_HEARD, WATCHED, call, { OP_MASKED_EQ, arg, mask, value }, why               \
    }
#define DENY(sets, err, calls, why)                                                                \
    {                                                                                              \
        sets, err, calls, { OP_ANY, 0, 0, 0 }, why                                                 \
    }
#define ALLOW_EQ(sets, call, arg, value, why)                                                      \
    {                                                                                              \
        sets, 0, call, { OP_EQ, arg, 0, value }, why                                               \
    }
#define ALLOW_MASK(sets, call, arg, mask, value, why)                                              \
    {                                                                                              \
        sets, 0, call, { OP_MASKED_EQ, arg, mask, value }, why                                     \
    }
#define DENY_NE(sets, err, call, arg, value, why)                                                  \
    {                                                                                              \
        sets, err, call, { OP_NE, arg, 0, value }, why                                             \
    }
#define DENY_MASK(sets, err, call, arg, mask, value, why)                                          \
    {                                                                                              \
        sets, err, call, { OP_MASKED_EQ, arg, mask, value }, why                                   \
    }
/* ioctl and fcntl look at 32 bits of a request only; comparing 64 let a caller slip past a refusal.
 */
#define DENY_EQ32(sets, err, call, arg, value, why)                                                \
    DENY_MASK(sets, err, call, arg, 0xffffffffu, value, why)

#define OPEN_WRITES (O_ACCMODE | O_CREAT | O_TRUNC)
#define CHANGE_CALLS                                                                               \
    "mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat " \
    "truncate chmod fchmodat fchmodat2"
#define OWN_CALLS "chown lchown fchownat"

#define NS_TIME 0x00000080u
#define NS_MOUNT 0x00020000u
#define NS_CGROUP 0x02000000u
#define NS_UTS 0x04000000u
#define NS_IPC 0x08000000u
#define NS_USER 0x10000000u
#define NS_PID 0x20000000u
#define NS_NET 0x40000000u
#define NS_ALL (NS_MOUNT | NS_CGROUP | NS_UTS | NS_IPC | NS_USER | NS_PID | NS_NET)

const struct seccomp_row seccomp_policy[] = {
    /* --- files --- */
    ALLOW(SET_CODE,
          "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek "
          "sendfile copy_file_range",
          "moving bytes through descriptors that are already open"),
    ALLOW(SET_CODE, "close close_range dup dup2 dup3 access faccessat faccessat2",
          "descriptors, and asking what may be opened"),
    ALLOW(SET_CODE | SET_UNHEARD, "open openat openat2 creat",
          "opening what the mount plan and Landlock show"),
    ALLOW_MASK(SET_CODE | SET_HEARD, "open", 1, OPEN_WRITES, 0, "opening to read what they show"),
    ALLOW_MASK(SET_CODE | SET_HEARD, "openat", 2, OPEN_WRITES, 0, "likewise"),
    WATCH_MASK("open", 1, O_ACCMODE, O_WRONLY,
               "opening to write: refused in what is read-only, and counted"),
    WATCH_MASK("open", 1, O_ACCMODE, O_RDWR, "likewise"),
    WATCH_MASK("open", 1, O_ACCMODE, O_ACCMODE, "likewise"),
    WATCH_MASK("open", 1, O_CREAT, O_CREAT, "likewise"),
    WATCH_MASK("open", 1, O_TRUNC, O_TRUNC, "likewise"),
    WATCH_MASK("openat", 2, O_ACCMODE, O_WRONLY, "likewise"),
    WATCH_MASK("openat", 2, O_ACCMODE, O_RDWR, "likewise"),
    WATCH_MASK("openat", 2, O_ACCMODE, O_ACCMODE, "likewise"),
    WATCH_MASK("openat", 2, O_CREAT, O_CREAT, "likewise"),
    WATCH_MASK("openat", 2, O_TRUNC, O_TRUNC, "likewise"),
    WATCH("openat2 creat", "likewise; the flags of openat2 lie behind a pointer"),
    ALLOW(SET_CODE,
          "stat fstat lstat newfstatat statx statfs fstatfs readlink readlinkat getdents "
          "getdents64 getcwd chdir fchdir",
          "looking at files"),
    ALLOW(SET_CODE, "ftruncate fallocate fchmod fchown umask utime utimes futimesat utimensat",
          "changing files that are open, and times, which copying sets again and again"),
    ALLOW(SET_CODE | SET_UNHEARD, CHANGE_CALLS,
          "changing files: only the tmpfs of the sandbox is writable"),
    WATCH(CHANGE_CALLS, "likewise, and what is refused is counted"),
    ALLOW(SET_CODE | SET_UNHEARD, OWN_CALLS,
          "archivers call it; only the one mapped uid can be named, so it changes nothing"),
    WATCH(OWN_CALLS, "likewise, and what is refused is counted"),
    ALLOW(SET_CODE, "getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr",
          "shutil.copy2 reads extended attributes; setting them is refused below"),
    DENY(TOLD_CODE, EPERM, "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr",
         "attributes carry capabilities and labels; nothing in the workload needs to write them"),
    ALLOW(SET_CODE, "fsync fdatasync msync sync_file_range flock fadvise64 readahead",
          "sqlite and others ask for durability and locks; it ends at the tmpfs"),
    DENY(SET_CODE, EPERM, "sync syncfs", "would stall the whole machine's disks, not ours"),
    DENY(TOLD_CODE, EPERM, "mknod mknodat",
         "no device nodes, and no fifo that could block who collects the files"),
    DENY(TOLD_CODE, EPERM, "splice tee vmsplice",
         "page-cache tricks (Dirty Pipe); nothing in the workload uses them"),
    ALLOW(SET_CODE, "inotify_init1 inotify_init inotify_add_watch inotify_rm_watch",
          "file watchers of libraries; it sees the read-only system and the sandbox's own tmpfs"),
    DENY(TOLD_CODE, EPERM, "fanotify_init fanotify_mark", "watches whole file systems of the host"),
    DENY(TOLD_CODE, EPERM, "name_to_handle_at open_by_handle_at",
         "opens inodes by number, past the mount namespace"),

    /* --- fcntl and ioctl --- */
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_DUPFD, "duplicating descriptors"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_GETFD, "descriptor flags"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_SETFD, "descriptor flags"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_GETFL, "status flags"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_SETFL, "status flags"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_GETLK, "record locks (sqlite)"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_SETLK, "record locks (sqlite)"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_SETLKW, "record locks (sqlite)"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_OFD_GETLK, "record locks of a descriptor"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_OFD_SETLK, "record locks of a descriptor"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_OFD_SETLKW, "record locks of a descriptor"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_DUPFD_CLOEXEC, "duplicating descriptors"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_GETPIPE_SZ, "subprocess asks for it"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_ADD_SEALS, "seals on memfds of our own"),
    ALLOW_EQ(SET_CODE, "fcntl", 1, F_GET_SEALS, "seals on memfds of our own"),
    DENY_EQ32(SET_CODE, EPERM, "fcntl", 1, F_SETLEASE,
              "leases on the shared read-only system are a channel between sandboxes"),
    DENY_EQ32(SET_CODE, EPERM, "fcntl", 1, F_NOTIFY,
              "directory notification reports what the host does"),
    DENY_EQ32(SET_CODE, EPERM, "fcntl", 1, F_SETPIPE_SZ,
              "pipe buffers are kernel memory that only a cgroup would count"),
    ALLOW_EQ(SET_CODE, "ioctl", 1, TCGETS, "isatty(3)"),
    ALLOW_EQ(SET_CODE, "ioctl", 1, TIOCGWINSZ, "the width of a terminal; there is none"),
    ALLOW_EQ(SET_CODE, "ioctl", 1, FIONREAD, "bytes waiting"),
    ALLOW_EQ(SET_CODE, "ioctl", 1, FIONBIO, "non-blocking"),
    ALLOW_EQ(SET_CODE, "ioctl", 1, FIOCLEX, "close on exec"),
    ALLOW_EQ(SET_CODE, "ioctl", 1, FIONCLEX, "close on exec"),
    DENY_EQ32(SET_CODE, EPERM, "ioctl", 1, TIOCSTI, "types into the terminal of the caller"),
    DENY_EQ32(SET_CODE, EPERM, "ioctl", 1, TIOCLINUX, "pastes into a virtual console"),
    DENY_EQ32(SET_CODE, EPERM, "ioctl", 1, TIOCSCTTY, "takes a controlling terminal"),
    /* A filter sees no file behind a descriptor; Landlock (level 5) keeps device ioctls to the
       devices named. */
    ALLOW_MASK(SET_CODE | SET_DEVICE, "ioctl", 1, 0xff00, 'F' << 8, "NVIDIA's driver"),
    ALLOW_MASK(SET_CODE | SET_DEVICE, "ioctl", 1, 0xffffff00, 0,
               "nvidia-uvm, whose requests are bare numbers"),
    ALLOW_MASK(SET_CODE | SET_DEVICE, "ioctl", 1, 0xfffffffe, 0x30000000, "nvidia-uvm: initialize"),
    ALLOW_MASK(SET_CODE | SET_DEVICE, "ioctl", 1, 0xffffffff, 0x30000002,
               "nvidia-uvm: deinitialize"),
    ALLOW_MASK(SET_CODE | SET_DEVICE, "ioctl", 1, 0xff00, 'd' << 8,
               "DRM and accel: AMD, Intel and most others"),
    ALLOW_MASK(SET_CODE | SET_DEVICE, "ioctl", 1, 0xff00, 'K' << 8, "AMD's kfd"),
    ALLOW_MASK(SET_CODE | SET_DEVICE, "ioctl", 1, 0xff00, 'G' << 8, "dxg, the GPU of WSL"),
    ALLOW_MASK(SET_CODE | SET_DEVICE, "ioctl", 1, 0xff00, 'b' << 8,
               "buffers shared between devices"),
    ALLOW_MASK(SET_CODE | SET_DEVICE, "ioctl", 1, 0xff00, '>' << 8, "fences between devices"),

    /* --- memory --- */
    ALLOW_MASK(SET_CODE, "mmap", 3, MAP_HUGETLB, 0, "memory of one's own"),
    DENY_MASK(
        SET_CODE, EPERM, "mmap", 3, MAP_HUGETLB, MAP_HUGETLB,
        "pages that the machine has set aside for others, and that no limit of memory counts"),
    ALLOW(SET_CODE,
          "mprotect munmap mremap madvise brk mincore mlock munlock mlock2 membarrier "
          "pkey_alloc pkey_free pkey_mprotect",
          "memory of one's own; RLIMIT_MEMLOCK bounds the locking"),
    DENY(SET_CODE, EPERM, "mlockall munlockall", "pins memory that the limits let swap"),
    ALLOW_MASK(SET_CODE | SET_COUNTED, "memfd_create", 1, MFD_HUGETLB, 0,
               "anonymous files, counted by the memory cgroup"),
    DENY_MASK(SET_CODE | SET_COUNTED, EPERM, "memfd_create", 1, MFD_HUGETLB, MFD_HUGETLB,
              "pages set aside for others"),
    DENY(TOLD_CODE, EPERM, "memfd_secret", "memory that nobody can inspect or swap"),
    DENY(TOLD_CODE, EPERM, "userfaultfd", "stops the kernel in the middle of a copy: widens races"),
    DENY(TOLD_CODE, EPERM, "process_vm_readv process_vm_writev process_madvise process_mrelease",
         "reaches into another process's memory"),
    DENY(SET_CODE, EPERM,
         "mbind set_mempolicy get_mempolicy migrate_pages move_pages "
         "set_mempolicy_home_node",
         "NUMA placement: a history of kernel bugs; OpenBLAS takes the refusal well"),
    DENY(SET_CODE, EPERM, "remap_file_pages", "obsolete, and a history of bugs"),
    DENY(TOLD_CODE, EPERM,
         "shmget shmat shmctl shmdt msgget msgsnd msgrcv msgctl semget semop semctl "
         "semtimedop",
         "System V objects are memory that no limit counts; POSIX semaphores live in /dev/shm"),
    DENY(TOLD_CODE, EPERM, "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr",
         "message queues are memory that no limit counts"),

    /* --- processes and threads --- */
    ALLOW_MASK(SET_CODE, "clone", 0, NS_ALL, 0, "fork and threads, without new namespaces"),
    DENY_MASK(TOLD_CODE, EPERM, "clone", 0, NS_USER, NS_USER,
              "a user namespace hands out capabilities over kernel code"),
    DENY_MASK(TOLD_CODE, EPERM, "clone", 0, NS_MOUNT, NS_MOUNT, "no new namespaces"),
    DENY_MASK(TOLD_CODE, EPERM, "clone", 0, NS_CGROUP, NS_CGROUP, "no new namespaces"),
    DENY_MASK(TOLD_CODE, EPERM, "clone", 0, NS_UTS, NS_UTS, "no new namespaces"),
    DENY_MASK(TOLD_CODE, EPERM, "clone", 0, NS_IPC, NS_IPC, "no new namespaces"),
    DENY_MASK(TOLD_CODE, EPERM, "clone", 0, NS_PID, NS_PID, "no new namespaces"),
    DENY_MASK(TOLD_CODE, EPERM, "clone", 0, NS_NET, NS_NET, "no new namespaces"),
    DENY(SET_CODE, ENOSYS, "clone3",
         "its flags lie behind a pointer that a filter cannot read; libc falls back to clone"),
    DENY(TOLD_CODE, EPERM, "unshare setns", "no new namespaces, no entering of others"),
    ALLOW(SET_CODE, "fork vfork execve execveat exit exit_group wait4 waitid",
          "programs and their ends; no_new_privs takes the meaning from set-id bits"),
    ALLOW(SET_CODE,
          "futex futex_waitv set_robust_list get_robust_list set_tid_address rseq "
          "arch_prctl set_thread_area get_thread_area restart_syscall",
          "what libc needs for threads"),
    ALLOW(SET_CODE,
          "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal "
          "rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigsuspend "
          "rt_sigreturn sigaltstack pause",
          "signals; the pid namespace and Landlock keep them inside"),
    DENY(TOLD_CODE, EPERM, "pidfd_getfd", "takes descriptors out of another process"),
    DENY(TOLD_CODE, EPERM, "ptrace kcmp", "reads and drives other processes"),
    ALLOW(SET_CODE,
          "getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups "
          "getpgid getpgrp getsid setpgid setsid",
          "identity; a session of its own has no terminal to take"),
    ALLOW(SET_CODE, "setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid capget",
          "programs drop privileges they do not have; without capabilities only the own id works"),
    DENY(TOLD_CODE, EPERM, "setgroups capset", "no groups, no capabilities"),
    ALLOW(SET_CODE,
          "getrlimit setrlimit getrusage times getpriority setpriority ioprio_get "
          "ioprio_set sched_yield sched_getaffinity sched_setaffinity sched_getparam "
          "sched_getscheduler sched_get_priority_max sched_get_priority_min "
          "sched_rr_get_interval sched_getattr getcpu",
          "usage and scheduling of one's own; hard limits cannot be raised"),
    /* Setting those of another process is left to the default: RLIMIT_CPU would kill it, and
       Landlock does not watch that. */
    ALLOW_EQ(SET_CODE, "prlimit64", 0, 0, "limits of one's own"),
    ALLOW_EQ(SET_CODE, "prlimit64", 2, 0, "asking for limits"),
    DENY(SET_CODE, EPERM, "sched_setscheduler sched_setparam sched_setattr",
         "real-time classes could starve the machine; everything runs as it was started"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_SET_NAME, "thread names"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_GET_NAME, "thread names"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_SET_PDEATHSIG, "children that die with their parent"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_GET_PDEATHSIG, "harmless query"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_GET_DUMPABLE, "harmless query"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_GET_NO_NEW_PRIVS, "harmless query"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_SET_NO_NEW_PRIVS,
             "already set; setting it again is harmless"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_GET_SECCOMP, "harmless query"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_CAPBSET_READ, "harmless query; all of it is empty"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_GET_KEEPCAPS, "harmless query"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_SET_TIMERSLACK, "own timers"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_GET_TIMERSLACK, "own timers"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_SET_THP_DISABLE, "own memory"),
    ALLOW_EQ(SET_CODE, "prctl", 0, PR_GET_THP_DISABLE, "own memory"),
    ALLOW_EQ(SET_CODE, "prctl", 0, 0x53564d41 /* PR_SET_VMA */, "libc names its mappings"),
    DENY_EQ32(SET_STRICT, EPERM, "prctl", 0, PR_SET_DUMPABLE,
              "would hide the process from who watches its memory"),
    ALLOW_EQ(SET_TEMPLATE, "prctl", 0, PR_SET_DUMPABLE,
             "trusted processes hide from contexts, contexts become visible again"),
    DENY_EQ32(SET_STRICT, EPERM, "prctl", 0, PR_SET_CHILD_SUBREAPER,
              "would keep orphans from pid 1"),
    ALLOW_EQ(SET_TEMPLATE, "prctl", 0, PR_SET_CHILD_SUBREAPER,
             "a guardian gathers what its context started"),
    DENY_EQ32(SET_STRICT, EPERM, "prctl", 0, PR_SET_SECCOMP, "no filters but ours"),
    ALLOW_EQ(SET_TEMPLATE, "prctl", 0, PR_SET_SECCOMP, "a context puts on the strict filter"),
    DENY_EQ32(SET_CODE, EPERM, "prctl", 0, PR_SET_MM, "rewrites what /proc says about the process"),
    DENY_EQ32(SET_CODE, EPERM, "prctl", 0, PR_SET_PTRACER, "invites a tracer"),
    DENY_EQ32(SET_CODE, EPERM, "prctl", 0, PR_CAP_AMBIENT, "no capabilities"),
    DENY_EQ32(SET_CODE, EPERM, "prctl", 0, PR_CAPBSET_DROP, "no capabilities"),
    DENY_EQ32(SET_CODE, EPERM, "prctl", 0, PR_SET_SECUREBITS, "no capabilities"),
    DENY_EQ32(SET_CODE, EPERM, "prctl", 0, PR_SET_KEEPCAPS, "no capabilities"),
    ALLOW_EQ(SET_CODE, "personality", 0, 0xffffffffu, "the query only"),
    ALLOW_EQ(SET_CODE, "personality", 0, 0, "back to the ordinary one"),

    /* --- sockets --- */
    ALLOW_EQ(SET_CODE, "socket", 0, AF_UNIX, "sockets between processes of the sandbox"),
    DENY_NE(TOLD_CODE, EPERM, "socket", 0, AF_UNIX,
            "every other family is kernel code to attack, and AF_VSOCK reaches the hypervisor"),
    ALLOW_EQ(SET_CODE, "socketpair", 0, AF_UNIX, "sockets between processes of the sandbox"),
    DENY_NE(TOLD_CODE, EPERM, "socketpair", 0, AF_UNIX, "every other family"),
    ALLOW(SET_CODE,
          "bind listen accept accept4 connect shutdown getsockname getpeername getsockopt "
          "setsockopt",
          "sockets of AF_UNIX: the network namespace and Landlock keep them inside"),
    ALLOW_MASK(SET_CODE, "sendto", 3, MSG_OOB, 0, "messages, without out-of-band bytes"),
    DENY_MASK(SET_CODE, EPERM, "sendto", 3, MSG_OOB, MSG_OOB,
              "out-of-band bytes on unix sockets gave kernel memory corruption"),
    ALLOW_MASK(SET_CODE, "recvfrom", 3, MSG_OOB, 0, "messages, without out-of-band bytes"),
    DENY_MASK(SET_CODE, EPERM, "recvfrom", 3, MSG_OOB, MSG_OOB, "out-of-band bytes"),
    ALLOW_MASK(SET_CODE, "sendmsg", 2, MSG_OOB, 0, "messages, without out-of-band bytes"),
    DENY_MASK(SET_CODE, EPERM, "sendmsg", 2, MSG_OOB, MSG_OOB, "out-of-band bytes"),
    ALLOW_MASK(SET_CODE, "recvmsg", 2, MSG_OOB, 0, "messages, without out-of-band bytes"),
    DENY_MASK(SET_CODE, EPERM, "recvmsg", 2, MSG_OOB, MSG_OOB, "out-of-band bytes"),
    ALLOW_MASK(SET_CODE, "sendmmsg", 3, MSG_OOB, 0, "messages, without out-of-band bytes"),
    DENY_MASK(SET_CODE, EPERM, "sendmmsg", 3, MSG_OOB, MSG_OOB, "out-of-band bytes"),
    ALLOW_MASK(SET_CODE, "recvmmsg", 3, MSG_OOB, 0, "messages, without out-of-band bytes"),
    DENY_MASK(SET_CODE, EPERM, "recvmmsg", 3, MSG_OOB, MSG_OOB, "out-of-band bytes"),

    /* --- waiting, time, facts --- */
    ALLOW(SET_CODE,
          "pipe pipe2 poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl "
          "epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 "
          "timerfd_create timerfd_settime timerfd_gettime",
          "event loops"),
    ALLOW(SET_CODE,
          "nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time getitimer "
          "setitimer alarm timer_create timer_settime timer_gettime timer_getoverrun "
          "timer_delete",
          "clocks and timers of one's own"),
    ALLOW(SET_CODE, "uname sysinfo getrandom", "facts that libraries ask for"),

    /* --- starting a context --- */
    ALLOW(SET_TEMPLATE, "landlock_create_ruleset landlock_add_rule landlock_restrict_self",
          "each context enters a domain of its own"),
    DENY(SET_STRICT, EPERM, "landlock_create_ruleset landlock_add_rule landlock_restrict_self",
         "nothing inside needs it, and it is code to attack"),
    ALLOW_EQ(SET_TEMPLATE, "seccomp", 0, 1, "a context puts on the strict filter"),
    DENY(SET_STRICT, EPERM, "seccomp", "no filters, and no listeners, of the code's own"),

    /* --- the rest of the kernel --- */
    DENY(TOLD_CODE, EPERM, "io_uring_setup io_uring_enter io_uring_register",
         "its operations pass no filter: it opens sockets that socket(2) refuses"),
    DENY(SET_CODE, EPERM, "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents",
         "kernel-side file work that nothing in the workload uses"),
    DENY(TOLD_CODE, EPERM, "bpf", "programs in the kernel"),
    DENY(TOLD_CODE, EPERM, "perf_event_open", "kernel counters: bugs and side channels"),
    DENY(TOLD_CODE, EPERM, "keyctl add_key request_key",
         "keyrings are not namespaced: a store that outlives the sandbox"),
    DENY(TOLD_CODE, EPERM, "mount umount2 pivot_root chroot",
         "the file tree stays as it was built"),
    DENY(SET_CODE, ENOSYS, "open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr",
         "the newer mount interface"),
    DENY(TOLD_CODE, EPERM,
         "kexec_load kexec_file_load init_module finit_module delete_module reboot "
         "swapon swapoff acct quotactl quotactl_fd sethostname setdomainname "
         "settimeofday clock_settime adjtimex clock_adjtime iopl ioperm syslog vhangup "
         "nfsservctl lookup_dcookie uselib ustat sysfs _sysctl modify_ldt "
         "create_module query_module get_kernel_syms",
         "administration of the host, or long obsolete"),

    /* --- pid 1 --- */
    ALLOW(SET_INIT, "read write poll ppoll wait4 exit_group kill rt_sigreturn rt_sigprocmask close",
          "pid 1 reaps, watches one pipe, reports, and ends"),

    /* --- without namespaces: a second filter, around the ones above --- */
    DENY(SET_LONE, EPERM, "socket bind listen accept accept4 connect",
         "no network namespace: a unix socket reaches the services of this machine; socketpair(2) "
         "is enough for pipes"),
    DENY_MASK(SET_LONE, EPERM, "socketpair", 1, 0xf, SOCK_DGRAM,
              "a datagram socket sends to any path or name"),
    DENY_MASK(SET_LONE, EPERM, "socketpair", 1, 0xf, SOCK_RAW,
              "the kernel makes it a datagram socket"),
    DENY(SET_LONE, EPERM, "inotify_init1 inotify_init inotify_add_watch",
         "Landlock does not watch it: it would tell what the host does with its files"),
    DENY(SET_LONE, EOPNOTSUPP, "getxattr lgetxattr listxattr llistxattr",
         "Landlock does not watch them: attributes of the host's files; shutil.copy2 takes this "
         "errno well"),
    DENY_NE(SET_LONE, EPERM, "prlimit64", 0, 0,
            "the limits of another process: Landlock does not watch them"),
    DENY_NE(SET_LONE, EPERM, "sched_setaffinity", 0, 0, "processors of another process"),
    DENY(SET_LONE, EPERM, "utime utimes futimesat utimensat",
         "Landlock does not watch them, and whatever all may write, such as /dev/null, would take "
         "a new time"),
    DENY(SET_LONE, EPERM, "truncate",
         "Landlock watches it from its third level on; below, whatever all may write would be "
         "emptied"),
    DENY(SET_LONE, EPERM, "setpriority ioprio_set", "priorities of other processes"),
    DENY(SET_LONE_USER, EPERM, "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat",
         "Landlock does not watch them, and the files of the user would obey"),
};
const size_t seccomp_policy_rows = sizeof seccomp_policy / sizeof seccomp_policy[0];

const struct seccomp_variant_row seccomp_variants[FILTERS] = {
    [FILTER_STRICT] = { "strict", SET_STRICT, SET_UNHEARD, ENOSYS, TOLD_REFUSE },
    [FILTER_STRICT_COUNTED] = { "strict_counted", SET_STRICT, SET_COUNTED | SET_UNHEARD, ENOSYS,
                                TOLD_REFUSE },
    [FILTER_TEMPLATE] = { "template", SET_TEMPLATE, SET_UNHEARD, ENOSYS, TOLD_REFUSE },
    [FILTER_TEMPLATE_COUNTED] = { "template_counted", SET_TEMPLATE, SET_COUNTED | SET_UNHEARD,
                                  ENOSYS, TOLD_REFUSE },
    [FILTER_STRICT_DEVICE] = { "strict_device", SET_STRICT, SET_DEVICE | SET_UNHEARD, ENOSYS,
                               TOLD_REFUSE },
    [FILTER_STRICT_COUNTED_DEVICE] = { "strict_counted_device", SET_STRICT,
                                       SET_COUNTED | SET_DEVICE | SET_UNHEARD, ENOSYS,
                                       TOLD_REFUSE },
    [FILTER_TEMPLATE_DEVICE] = { "template_device", SET_TEMPLATE, SET_DEVICE | SET_UNHEARD, ENOSYS,
                                 TOLD_REFUSE },
    [FILTER_TEMPLATE_COUNTED_DEVICE] = { "template_counted_device", SET_TEMPLATE,
                                         SET_COUNTED | SET_DEVICE | SET_UNHEARD, ENOSYS,
                                         TOLD_REFUSE },
    [FILTER_TEMPLATE_TOLD] = { "template_told", SET_TEMPLATE, SET_HEARD, ENOSYS, TOLD_NOTIFY },
    [FILTER_TEMPLATE_COUNTED_TOLD] = { "template_counted_told", SET_TEMPLATE,
                                       SET_COUNTED | SET_HEARD, ENOSYS, TOLD_NOTIFY },
    [FILTER_TEMPLATE_TOLD_DEVICE] = { "template_told_device", SET_TEMPLATE, SET_DEVICE | SET_HEARD,
                                      ENOSYS, TOLD_NOTIFY },
    [FILTER_TEMPLATE_COUNTED_TOLD_DEVICE] = { "template_counted_told_device", SET_TEMPLATE,
                                              SET_COUNTED | SET_DEVICE | SET_HEARD, ENOSYS,
                                              TOLD_NOTIFY },
    [FILTER_CONTEXT] = { "context", SET_STRICT, SET_COUNTED | SET_UNHEARD, ENOSYS, TOLD_PASS },
    [FILTER_CONTEXT_DEVICE] = { "context_device", SET_STRICT,
                                SET_COUNTED | SET_DEVICE | SET_UNHEARD, ENOSYS, TOLD_PASS },
    [FILTER_INIT] = { "init", SET_INIT, 0, ENOSYS, TOLD_REFUSE },
    [FILTER_LONE] = { "lone", SET_LONE, 0, 0, TOLD_REFUSE },
    [FILTER_LONE_USER] = { "lone_user", SET_LONE | SET_LONE_USER, 0, 0, TOLD_REFUSE },
};
