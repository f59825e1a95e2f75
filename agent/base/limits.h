/* Every cap in the program, with its reason. What the user may change is a setting (agent/conf.c);
 * these are the walls behind the settings. */
#ifndef AGENT_BASE_LIMITS_H
#define AGENT_BASE_LIMITS_H

#define KIB (1024u)
#define MIB (1024u * 1024u)

/* --- text from the model --- */
#define JSON_MAX_DEPTH 200         /* real replies stay under 20; cJSON recurses per level */
#define MAX_CODE_CHARS 100000      /* code of one cell, in characters: beyond it is a mistake */
#define MAX_REPLY_BYTES (64 * MIB) /* one HTTP body or stream; images in replies reach 100 kB */
#define MAX_ANSWER_BYTES (4 * MIB) /* visible text of one turn */
#define MAX_CALLS_PER_TURN 64      /* a reply with more is broken, not ambitious */
#define MAX_ARGS_BYTES (2 * MIB)   /* arguments of one tool call: code plus its JSON escapes */

/* --- text from the sandbox --- */
#define MAX_STREAM_BYTES (16 * MIB) /* stdout or stderr of one cell kept in the record */
#define MAX_WRITTEN_BYTES                                                                          \
    (16ll * MAX_STREAM_BYTES)      /* of a stream in one cell: beyond it is a flood, and the end */
#define MAX_FRAME_BYTES (24 * MIB) /* one message of the interpreter: a PNG and its bundle */
#define MAX_FONTS_BYTES (4 * MIB)  /* matplotlib's list of fonts: 60 kB with a hundred of them */
#define MAX_EVENT_STREAM (1 * MIB) /* of one stream of a cell in the events for programs */
#define MAX_CELL_EVENTS 10000      /* results and displays of one cell */
#define MAX_TRACEBACK_BYTES (256 * KIB)
#define MAX_CONTEXTS 32            /* of a session: each is two processes */
#define MAX_CONTEXT_ENV (64 * KIB) /* environment of one, and arguments of a program */

/* --- pictures in the terminal --- */
#define MAX_PICTURES_SHOWN 4          /* of one cell */
#define MAX_PICTURE_SHOWN (4 * MIB)   /* a larger file is told by its path alone */
#define MAX_PICTURE_PIXELS (16 * MIB) /* of one that has to be decoded: 64 MB */

/* --- files --- */
#define MAX_ARTIFACTS 1000                /* files collected from one session */
#define MAX_ARTIFACT_BYTES (256ull * MIB) /* one artifact */
#define MAX_SCAN_ENTRIES 20000            /* directory entries looked at after a cell */
#define MAX_SCAN_DEPTH 32
#define MAX_STDIN_BYTES (1024ull * MIB) /* piped data kept as a file */
#define STDIN_PROMPT_BYTES (8 * KIB)    /* piped text that still goes into the prompt */
#define MAX_PROMPT_BYTES (4 * MIB)      /* the question itself */
#define MAX_CONF_BYTES (1 * MIB)
#define MAX_SCHEMA_BYTES (1 * MIB) /* a JSON Schema: services take 100 kB at most */

/* --- a batch of questions --- */
#define JOB_COMMAND_MS (30 * 60000)           /* a command whose output is an input of a job */
#define MAX_JOB_COMMAND_BYTES (1024ull * MIB) /* what it gives */
#define MAX_BATCH_BYTES (256 * MIB)           /* the file of questions */
#define MAX_BATCH_QUESTION (100 * KIB)        /* Linux passes words of up to 128 KiB to a program */

/* --- checking an answer's numbers --- */
#define MAX_GROUND_NUMBERS 4000000u /* printed values kept: 32 MB; a stream of 16 MiB has fewer */
#define MAX_GROUND_MISSES 100       /* claims that were not found and are told */
#define MAX_GROUND_FILE (4 * MIB)   /* of a text file that the code made */

/* --- the profile of attached files --- */
#define INTAKE_SECONDS 5 /* what it aims at, for all files together */
#define INTAKE_MS 20000  /* when it is ended */

/* --- records that are read back --- */
#define MAX_RECORD_BYTES                                                                           \
    (1024u * MIB) /* events.jsonl; a thousand turns with pictures stay below                       \
                   */
#define MAX_MANIFEST_BYTES (16 * MIB)
#define MAX_SESSION_ID 64

/* --- exports --- */
#define MAX_EXPORT_BYTES (1024ull * MIB) /* one exported file: a thousand charts stay below */
#define MAX_EXPORT_TEXT (128 * KIB)      /* of one piece of output that a page shows */
#define MAX_EXPORT_OUTPUT (1 * MIB)      /* of one that a notebook holds */
#define MAX_EXPORT_ROWS 200u             /* of a table on a page */
#define MAX_MARKDOWN_BYTES (1 * MIB)     /* beyond it Markdown is shown as it stands */

/* --- environments of packages --- */
#define MAX_ENV_FILES                                                                              \
    65536 /* as many as the sandbox's workspace can hold; large sets have 30,000 */
#define MAX_ENV_PACKAGES 2000
#define MAX_ENV_MODULES (4 * KIB) /* their import names, which also go into a probe */
#define MAX_ENV_TEXT (1 * MIB)    /* lock, manifest */
#define ENV_BUILD_MS (60 * 60000) /* a large set over a slow line */
#define ENV_ASK_MS 60000          /* pip says where it goes */

/* --- reports --- */
#define MAX_WARN_LINES 50       /* about one thing, on standard error */
#define MAX_PUBLISHED 500       /* values that a session's code published */
#define MAX_PUBLISHED_NAME 64   /* bytes of a name */
#define MAX_PUBLISHED_ROWS 5000 /* of a table, as the sandbox's report.table() sends it */
#define MAX_PUBLISHED_COLUMNS 100
#define MAX_PUBLISHED_BYTES (256ull * MIB) /* of all of them together */
#define MAX_REPORT_BYTES (512ull * MIB)    /* one report */
#define MAX_REPORT_ROWS 500u               /* of a table on a page; the spreadsheet has them all */
#define MAX_REPORTS 16                     /* --report */
#define REPORT_CONVERT_MS (5 * 60000)      /* a page to PDF, values to a spreadsheet */

/* --- the network --- */
#define MAX_HEADER_BYTES (256 * KIB) /* all response headers together */
#define MAX_SPEND_BYTES (64 * MIB)   /* what a day's runs have cost: a million requests */
#define MAX_USAGE_FILE (256 * MIB)   /* one session's events, read for `agent usage' */
#define MAX_ERROR_BODY (256 * KIB)   /* body of an error answer that is looked at */

/* --- what the sandbox does on the network, where it is permitted --- */
#define MAX_NETWORK_HOSTS 64         /* of the setting `network' */
#define MAX_DEVICES 64               /* of the setting `devices' */
#define MAX_DEVICE_PATH 200          /* bytes of one */
#define MAX_EGRESS_HEAD (16 * KIB)   /* a request's head; clients send 2 KiB */
#define MAX_EGRESS_AT_ONCE 32        /* connections at one time; each is a process. More wait */
#define MAX_EGRESS_CONNECTIONS 10000 /* of one sandbox: each leaves a line in the record */
#define MAX_EGRESS_BYTES                                                                           \
    (1024ll * MIB)                   /* of one connection, each way: twice the default workspace */
#define EGRESS_HEAD_MS 10000         /* until the head is whole */
#define EGRESS_RESOLVE_S 20          /* a name's look-up */
#define EGRESS_CONNECT_MS 10000      /* one address */
#define EGRESS_IDLE_MS 60000         /* no byte either way */
#define EGRESS_TOTAL_MS (15 * 60000) /* a whole connection */

#endif
