# Which sources go into which program: run.c and frame.c are the agent's side, the rest the helper's.
SANDBOX_AGENT_SRC := sandbox/run.c sandbox/frame.c
SANDBOX_HELPER_SRC := sandbox/main.c
