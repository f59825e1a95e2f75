/* The connections that the code made (setting `network`), as events of the record. */
#ifndef AGENT_NETWORK_H
#define AGENT_NETWORK_H

#include "agent/run.h"

/* Records what ended since the last call. `last`: ends the way to the network first, so that open
 * connections are recorded too. */
void network_record(struct run *run, bool last);

#endif
