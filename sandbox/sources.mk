# Which sources go into which program, and what is made before they compile: the seccomp filters (from the policy
# table, through libseccomp) and context.so (put into the helper as an array).
.DEFAULT_GOAL := all
SANDBOX_HELPER_SRC := $(addprefix sandbox/,main.c spec.c spec_help.c status.c ns.c mounts.c sources.c limits.c \
	cgroup.c keeper.c scope.c devices.c caps.c seccomp_policy.c seccomp.c landlock.c init.c command.c watch.c meter.c hints.c check.c lone.c denied.c writes.c)

# The pure parts of the proxy: the agent checks its setting with them, and the unit tests link them.
SANDBOX_EGRESS_SRC := $(addprefix sandbox/,egress_rule.c egress_addr.c egress_head.c)
SANDBOX_AGENT_SRC := $(addprefix sandbox/,run.c runcell.c pass.c listen.c contexts.c image.c files.c refusals.c launch.c launch_programs.c selfcheck.c language.c network.c collect.c frame.c needs.c driver_embed.c) \
	$(SANDBOX_EGRESS_SRC)

# The helper is linked statically where that works: the dynamic loader would be a fifth of its whole run.
SANDBOX_STATIC := $(if $(SAN),,$(shell echo 'int main(void) { return 0; }' | $(CC) -static-pie -x c -o /dev/null - \
	-lseccomp -lcap 2>/dev/null && echo -static-pie))
$(B)/agent-sandbox: ALL_LDFLAGS := $(if $(SANDBOX_STATIC),$(filter-out -pie,$(ALL_LDFLAGS)) -static-pie,$(ALL_LDFLAGS))

$(B)/gen/seccomp_gen: sandbox/seccomp_gen.c sandbox/seccomp_compact.c sandbox/seccomp_compact.h sandbox/seccomp_policy.c \
		sandbox/seccomp_policy.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=c17 -O1 $(WARN) -o $@ $(filter %.c,$^) -lseccomp
$(B)/gen/seccomp_bpf.h: $(B)/gen/seccomp_gen
	$< > $@.tmp && mv $@.tmp $@
$(B)/gen/seccomp_told.h: $(B)/gen/seccomp_gen
	$< told > $@.tmp && mv $@.tmp $@
$(B)/obj/sandbox/denied.o $(B)/obj/sandbox/refusals.o: $(B)/gen/seccomp_told.h
# Freestanding: it is loaded by a Python whose libc is not ours, and must not call into it.
FREESTANDING := -std=c17 -O2 $(WARN) -ffreestanding -fno-stack-protector -fno-builtin -fvisibility=hidden -nostdlib
$(B)/gen/context.so: sandbox/context.c sandbox/checkpoint.c sandbox/image.h sandbox/landlock.h sandbox/raw.h $(B)/gen/seccomp_bpf.h
	$(CC) $(CPPFLAGS) $(FREESTANDING) -fPIC -shared -Wl,-z,noexecstack,-z,relro,-z,now -o $@ $(filter %.c,$^)
# Above the heap of any Python, and below its libraries: see restore.c.
$(B)/gen/restore: sandbox/restore.c sandbox/image.h sandbox/image_check.h sandbox/raw.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(FREESTANDING) -fPIE -static -no-pie \
		-Wl,-Ttext-segment=0x600000000000,-z,noexecstack,--build-id=none -o $@ $<
as_array = od -An -v -tx1 $< | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g' > $@.tmp && mv $@.tmp $@
$(B)/gen/context_so.h: $(B)/gen/context.so
	$(as_array)
$(B)/gen/restore.h: $(B)/gen/restore
	$(as_array)
# The interpreter's files as bytecode of this machine's Python; another one takes the source.
BUILD_PYTHON := $(firstword $(wildcard /usr/bin/python3) $(shell command -v python3))
INTERPRETER_PY := $(sort $(filter-out %/start.py %/install.py $(wildcard sandbox/interpreter/profile*.py),$(wildcard sandbox/interpreter/*.py)))
$(B)/gen/driver_code.bin: sandbox/precompile.py $(INTERPRETER_PY)
	@mkdir -p $(@D)
	$(if $(BUILD_PYTHON),$(BUILD_PYTHON) -I -S $< $@.tmp $(INTERPRETER_PY),: > $@.tmp) && mv $@.tmp $@
$(B)/obj/sandbox/driver_embed.o: $(B)/gen/driver_code.bin
$(B)/obj/sandbox/driver_embed.o: CPPFLAGS += -DDRIVER_CODE='"$(B)/gen/driver_code.bin"'
$(B)/obj/sandbox/seccomp.o: $(B)/gen/seccomp_bpf.h
$(B)/obj/sandbox/mounts.o: $(B)/gen/context_so.h $(B)/gen/restore.h
# The row test loads the filters themselves.
$(B)/tests/sandbox/test_seccomp_rows: $(B)/gen/seccomp_bpf.h sandbox/seccomp_policy.c
