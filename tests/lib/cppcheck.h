/* What cppcheck cannot see through, spelled out for it (make lint). */
#define cJSON_ArrayForEach(e, a) for ((e) = (void *)(a); (e); (e) = 0)
#define steal_ptr(p) (*(p))
#define CMSG_FIRSTHDR(m) ((m)->msg_control)
