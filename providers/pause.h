/* A pause that several processes of one user keep together: when a service tells one of them to
 * slow down, all wait. A small file holds the end of the pause on this machine's clock
 * (CLOCK_BOOTTIME), so it means nothing on another machine or after a restart; what cannot be read
 * or is beyond reason is no pause. Neither call waits. */
#ifndef PROVIDERS_PAUSE_H
#define PROVIDERS_PAUSE_H

#include <stdint.h>

#define PAUSE_MAX_MS (15 * 60000) /* beyond it a pause is a mistake or an attack */

/* How long from now, 0 = no pause. NULL is fine. */
int64_t pause_left_ms(const char *path);
/* Makes the pause last at least `ms` from now. A file that cannot be written is no error: the
 * others then find out by themselves. */
void pause_extend(const char *path, int64_t ms);

#endif
