#include <errno.h>
#include <linux/securebits.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include "sandbox/box.h"
#include "agent/base/banned.h"

/* The highest capability number that a kernel may have; the kernel's own end is found by asking. */
#define CAP_END 64

/* Reads back that nothing is left: a drop that failed silently would be the worst kind. */
static int check_sets_empty(struct err *e)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];

    if (capget(&head, data) < 0)
        return err_set(e, ERR_SANDBOX, errno, "cannot read the capabilities back");
    for (int i = 0; i < 2; i++)
        if (data[i].effective | data[i].permitted | data[i].inheritable)
            return err_set(e, ERR_SANDBOX, 0, "capabilities are left after the drop");
    return 0;
}

static int check_gone(struct err *e)
{
    if (check_sets_empty(e) < 0)
        return -1;
    for (int c = 0; c < CAP_END; c++) {
        int r = prctl(PR_CAPBSET_READ, c, 0, 0, 0);
        if (r < 0)
            break;
        if (r > 0) /* the ambient set is within the permitted one, which is empty */
            return err_set(e, ERR_SANDBOX, 0, "capability %d is left in the bounding set", c);
    }
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return err_set(e, ERR_SANDBOX, 0, "no_new_privs is not set");
    return 0;
}

int caps_drop(struct box *b, struct err *e)
{
    (void)b;
    /* No rule that gives capabilities to uid 0, no way to get them back, each locked. */
    unsigned long bits = SECURE_ALL_BITS | SECURE_ALL_LOCKS;
    bits &= ~issecure_mask(SECURE_KEEP_CAPS); /* locked at "off" */
    if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0)
        return err_set(e, ERR_SANDBOX, errno, "cannot lock the secure bits");
    for (int c = 0; c < CAP_END; c++)
        if (cap_drop_bound(c) < 0) {
            if (errno == EINVAL && c > CAP_SYS_RESOURCE)
                break; /* past the last one that this kernel knows */
            return err_set(e, ERR_SANDBOX, errno, "cannot drop capability %d from the bounding set",
                           c);
        }
    /* Not libcap's cap_reset_ambient: it asks for each of them first. */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return err_set(e, ERR_SANDBOX, errno, "cannot clear the ambient capabilities");
    cap_t none = cap_init();
    int r = none ? cap_set_proc(none) : -1;
    int sys = errno;
    cap_free(none);
    if (r < 0)
        return err_set(e, ERR_SANDBOX, sys, "cannot drop the capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set(e, ERR_SANDBOX, errno, "cannot set no_new_privs");
    return check_gone(e);
}

int lone_rights(struct box *b, struct err *e)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2] = { 0 };

    (void)b;
    /* The bounding set stays: lowering it takes a capability. no_new_privs makes it meaningless,
     * because exec grants nothing any more. */
    if (cap_reset_ambient() < 0 || capset(&head, data) < 0)
        return err_set(e, ERR_SANDBOX, errno, "cannot drop the capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return err_set(e, ERR_SANDBOX, errno, "cannot set no_new_privs");
    return check_sets_empty(e);
}
