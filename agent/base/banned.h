/* Functions that are wrong here even when used correctly, because each use must be audited
 * again. Include this last. The reasons: no bound (strcpy, strcat, sprintf), hidden state (strtok,
 * gmtime, localtime), silent errors (atoi), a shell (system, popen), a race (mktemp, tmpnam). */
#ifndef AGENT_BASE_BANNED_H
#define AGENT_BASE_BANNED_H
#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strncpy
#undef strtok
#undef atoi
#undef atol
#undef gmtime
#undef localtime
#undef system
#undef popen
#undef mktemp
#undef tmpnam
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strtok atoi atol gmtime localtime system
#pragma GCC poison popen mktemp tmpnam
#endif
