/* --device: a character device of this machine, shown inside under its own path.
 *
 * A driver is kernel code that the code inside then talks to, so nothing is shown unless it is
 * named, and what would be a way out is refused even then. Judged is the node itself, by the driver
 * that its number belongs to, on the descriptor that is then bound: what it is called does not
 * matter. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

/* Drivers by the names that /proc/devices has for their numbers; a name that ends with a star is a
 * beginning. What no row names is shown, except that major 10 (misc) is shown only by the second
 * table: it is where the kernel's own doors are. */
static const struct {
    const char *driver, *why;
} refused[] = {
    { "mem", "memory, ports and messages of the kernel; the harmless ones are there already" },
    { "tty*", "a terminal: what is typed there would be read, and what is written there typed" },
    { "/dev/*", "terminals and consoles" },
    { "pts", "terminals" },
    { "ptm", "terminals" },
    { "pty*", "terminals" },
    { "vcs", "shows the text consoles" },
    { "hvc", "consoles" },
    { "console*", "consoles" },
    { "fb", "shows the screen" },
    { "input", "reads the keyboard" },
    { "hidraw", "reads keyboards and security keys" },
    { "usb*", "every device on the bus" },
    { "raw", "a disk, past its files' rights" },
    { "sg", "commands to disks, past their files' rights" },
    { "st", "tapes" },
    { "bsg", "commands to disks, past their files' rights" },
    { "nvme*", "commands to disks, past their files' rights" },
    { "mtd*", "flash memory, past its files' rights" },
    { "ubi*", "flash memory, past its files' rights" },
    { "dax", "memory that holds files" },
    { "dimmctl", "commands to memory that holds files" },
    { "ndctl", "commands to memory that holds files" },
    { "vfio*", "direct access of hardware to memory" },
    { "iommufd", "direct access of hardware to memory" },
    { "uio*", "direct access of hardware to memory" },
    { "cpu/msr", "registers of the processor" },
    { "i2c*", "buses of the board: firmware, sensors, power" },
    { "spi*", "buses of the board: firmware" },
    { "gpio*", "lines of the board" },
    { "ipmi*", "the machine's management controller" },
    { "mei", "the machine's management engine" },
    { "tpm*", "the machine's keys" },
    { "watchdog*", "restarts the machine" },
    { "rpmb", "the machine's keys" },
    { "ppp", "a network" },
    { "macvtap", "a network" },
    { "ipvtap", "a network" },
    { "vhost*", "a network, and kernel threads" },
    { "xen*", "the hypervisor" },
    { "nvidia-caps*", "rights over other users of the GPU" },
};

static const struct {
    const char *name, *why;
} misc_shown[] = {
    { "dxg", "the GPU of WSL" },
    { "hw_random", "random numbers" },
};

static bool fits(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);

    return pattern[n - 1] == '*' ? strncmp(pattern, name, n - 1) == 0 : strcmp(pattern, name) == 0;
}

/* Calls `fn` for each line "NUMBER NAME" with this number, up to an empty line. 1 = there was one.
 */
static int each_name(const char *path, unsigned number, int (*fn)(const char *name, void *arg),
                     void *arg, int *ret)
{
    cleanup_buf struct buf text = BUF_MAX(65536);
    struct err ignored;
    struct str rest, line;
    int found = 0;

    *ret = 0;
    if (io_read_file(path, &text, &ignored) < 0)
        return 0;
    for (rest = buf_str(&text); rest.n && *ret == 0;) {
        str_cut(&rest, '\n', &line);
        if (str_is(str_trim(line), "Block devices:"))
            break;
        cleanup_free char *own = str_dup(str_trim(line));
        char *end;
        unsigned long n = strtoul(own, &end, 10);
        if (end == own || *end != ' ' || n != number)
            continue;
        found = 1;
        *ret = fn(end + 1, arg);
    }
    return found;
}

static int judge_driver(const char *name, void *arg)
{
    const char **why = arg;

    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (fits(refused[i].driver, name)) {
            *why = refused[i].why;
            return -1;
        }
    return 0;
}

static int judge_misc(const char *name, void *arg)
{
    const char **why = arg;

    for (size_t i = 0; i < ARRAY_LEN(misc_shown); i++)
        if (strcmp(misc_shown[i].name, name) == 0)
            return 0;
    *why = "one of the kernel's own doors (major 10: kvm, fuse, net/tun, loop-control, uinput and "
           "their like), of which only dxg and hwrng are shown";
    return -1;
}

static int judge(const char *path, const struct stat *st, struct err *e)
{
    const char *why = NULL;
    unsigned major_number = major(st->st_rdev);
    int verdict, known;

    if (S_ISBLK(st->st_mode))
        why = "a block device is a disk: all its files would be open, past their rights";
    else if (!S_ISCHR(st->st_mode))
        why = "it is no device";
    if (!why && major_number == 10)
        known = each_name("/proc/misc", minor(st->st_rdev), judge_misc, &why, &verdict);
    else if (!why)
        known = each_name("/proc/devices", major_number, judge_driver, &why, &verdict);
    if (!why && !known)
        why = "no driver in /proc/devices has its number, so nobody can say what it is";
    return why ? err_set(e, ERR_SANDBOX, 0, "--device %s is never shown: %s", path, why) : 0;
}

int device_open(const char *path, struct err *e)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC,
                            .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
    struct stat st;
    cleanup_fd int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);

    if (fd < 0 && errno == ELOOP)
        return err_set(e, ERR_SANDBOX, errno,
                       "--device %s: there is a symbolic link in it; name the device itself", path);
    if (fd < 0)
        return err_set(e, ERR_SANDBOX, errno, "--device %s%s", path,
                       errno == ENOENT ? " (is its driver loaded?)" : "");
    if (fstat(fd, &st) < 0)
        return err_set(e, ERR_SANDBOX, errno, "--device %s", path);
    return judge(path, &st, e) < 0 ? -1 : steal_fd(&fd);
}

int devices_check(struct box *b, struct err *e)
{
    const struct spec *s = b->spec;

    for (size_t i = 0; i < s->n_devices; i++) {
        cleanup_fd int fd = b->lone ? device_open(s->devices[i], e) : -1;
        if (b->lone && fd < 0)
            return -1;
        if (access(s->devices[i], R_OK) == 0 || access(s->devices[i], W_OK) == 0)
            continue;
        return err_set(e, ERR_SANDBOX, errno,
                       "--device %s: the user as whom the code runs may not open it; %s",
                       s->devices[i],
                       b->from_root ? "started by root that is no user of this machine, in no "
                                      "group: start as a user who may, or as root: chmod o+rw"
                                    : "see its group in ls -l, and let an administrator add you to "
                                      "it (usermod -aG)");
    }
    return 0;
}

void devices_print(struct buf *out)
{
    buf_puts(out, "Devices: none but those in Files and what --device names. Refused even then, by "
                  "the driver's name in /proc/devices\n");
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        buf_putf(out, "  %-12s %s\n", refused[i].driver, refused[i].why);
    buf_puts(out, "  misc         doors into the kernel, in /proc/misc, but for");
    for (size_t i = 0; i < ARRAY_LEN(misc_shown); i++)
        buf_putf(out, "%s %s (%s)", i ? "," : "", misc_shown[i].name, misc_shown[i].why);
    buf_puts(out, "\n  block devices, and numbers that no driver has\n");
}
