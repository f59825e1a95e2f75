# agent: see README.md. Doors: make, make demo, make check, make check-vm, make bench, make install,
# make install-apparmor, make uninstall, make deb, make lint, make format, make fuzz.
# SAN=1 builds with address and undefined-behaviour sanitizers into build-san/. make fuzz T=60 runs each fuzzer that
# long with clang (F="spec frame": these only); what it finds goes into the corpus.
CC ?= gcc
PREFIX ?= /usr/local
B := $(if $(FUZZER),build-fuzz,$(if $(SAN),build-san,build))
VERSION := 0.1.0
# Of this version: the date in the manual, and the time of all files in a package.
RELEASED := 2026-11-25
export SOURCE_DATE_EPOCH ?= $(shell date -u -d $(RELEASED) +%s)

comma := ,
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Werror
# Jumps to where none should land are refused by options of each processor's own.
MACHINE := $(shell $(CC) -dumpmachine)
JUMPS := $(if $(filter x86_64-%,$(MACHINE)),-fcf-protection)$(if $(filter aarch64-%,$(MACHINE)),-mbranch-protection=standard)
HARDEN := -fstack-protector-strong -fstack-clash-protection $(JUMPS) -D_FORTIFY_SOURCE=2 -fPIE
SANFLAGS := -fsanitize=address,undefined$(if $(FUZZER),$(comma)fuzzer-no-link) -fno-sanitize-recover=all -fno-omit-frame-pointer -DBUILD_ASAN
CPPFLAGS := -D_GNU_SOURCE -iquote . -iquote $(B)/gen -DAGENT_VERSION='"$(VERSION)"'
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=c17 $(CFLAGS) $(WARN) $(if $(SAN),$(SANFLAGS),$(HARDEN)) -MMD -MP
ALL_LDFLAGS := $(LDFLAGS) $(if $(SAN),$(SANFLAGS),-pie -Wl,-z,relro,-z,now,-z,noexecstack)

# V=1 shows whole commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1) $(patsubst $(CURDIR)/%,%,$(2))")

include sandbox/sources.mk

JSON_SRC := agent/base/json.c agent/base/json_compact.c
BASE_SRC := $(filter-out $(JSON_SRC),$(wildcard agent/base/*.c))
AGENT_SRC := $(wildcard agent/*.c) $(wildcard providers/*.c) prompts/prompts.c $(JSON_SRC) $(BASE_SRC) $(SANDBOX_AGENT_SRC)
AGENT_LIBS := -lcurl -lcjson -linih -ledit -lz -lmd4c -lm
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
AGENT_OBJ := $(call obj,$(filter %.c,$(AGENT_SRC))) $(patsubst %.S,$(B)/obj/%.o,$(filter %.S,$(AGENT_SRC)) prompts/embed.S providers/models_embed.S agent/export_embed.S agent/report_embed.S)
HELPER_OBJ := $(call obj,$(SANDBOX_HELPER_SRC) $(BASE_SRC))
EGRESS_OBJ := $(call obj,sandbox/egress_main.c sandbox/egress_conn.c $(SANDBOX_EGRESS_SRC) $(BASE_SRC))

LIB_OBJ := $(filter-out $(B)/obj/agent/main.o,$(AGENT_OBJ))
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
TOOLS := $(patsubst tests/sandbox/%.c,$(B)/tests/sandbox/%,$(wildcard tests/sandbox/*.c))

.PHONY: all check check-vm demo bench install install-apparmor uninstall deb lint format fuzz clean deps-build deps-demo deps-check
all: $(B)/agent $(B)/agent-sandbox $(B)/agent-egress $(B)/agent.1 $(B)/agent.conf.5

$(B)/agent: $(AGENT_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(AGENT_LIBS)
$(B)/agent-sandbox: $(HELPER_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lseccomp -lcap
$(B)/agent-egress: $(EGRESS_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^
$(B)/libagent.a: $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

# The manual is printed from the tables that drive the program.
$(B)/manual: docs/manual.c $(B)/libagent.a
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/libagent.a $(AGENT_LIBS)
$(B)/agent.1 $(B)/agent.conf.5: $(B)/manual
	$(Q)$< $(basename $(@F)) "$$(LC_ALL=C date -u -d @$(SOURCE_DATE_EPOCH) '+%B %-d, %Y')" > $@.tmp && mv $@.tmp $@

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<
$(B)/obj/%.o: %.S
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<
$(B)/obj/agent/export_embed.o: agent/html.css agent/export_runtime.py agent/rerun_plan.py
$(B)/obj/providers/models_embed.o: providers/models.tsv
$(B)/obj/agent/report_embed.o: $(wildcard agent/report*.py agent/report*.css agent/report*.js)
$(B)/obj/prompts/embed.o: $(wildcard prompts/*.md prompts/*.json)
$(B)/obj/sandbox/driver_embed.o: $(wildcard sandbox/interpreter/*)

# Tests. Each program of tests/unit, tests/fuzz and tests/sandbox links the library half of agent.
$(B)/tests/unit/%: tests/unit/%.c $(B)/libagent.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/libagent.a $(AGENT_LIBS)
$(B)/tests/fuzz/%: tests/fuzz/%.c tests/fuzz/replay.c $(B)/libagent.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(if $(FUZZER),-fsanitize=fuzzer,tests/fuzz/replay.c) \
		$(B)/libagent.a $(AGENT_LIBS)
$(B)/tests/sandbox/%: tests/sandbox/%.c $(B)/libagent.a
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/libagent.a $(AGENT_LIBS) -lseccomp

# What a step needs is installed when it is missing (.ci/deps says what first); NO_DEPS=1 skips that.
deps-build deps-demo deps-check: deps-%:
	@$(if $(NO_DEPS),:,.ci/deps $*)

check: deps-check
	@$(MAKE) --no-print-directory all tests-build
	@BUILD=$(B) tests/run
.PHONY: tests-build
tests-build: $(UNIT) $(FUZZ) $(TOOLS)

# Whole systems in virtual machines (systemd, AppArmor, SELinux, container engines); not part of check: tests/vm/run says what it takes.
check-vm:
	@$(MAKE) --no-print-directory all tests-build
	@tests/vm/run

demo: deps-demo
	@$(MAKE) --no-print-directory all
	@BUILD=$(B) tests/demo/run

bench: deps-check
	@$(MAKE) --no-print-directory all tests-build
	@BUILD=$(B) tests/bench/run

# The fuzzer keeps what widens its reach beside the build; only what breaks a property is worth a place in tests/corpus.
T ?= 60
F ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz: deps-build
	@$(MAKE) --no-print-directory FUZZER=1 SAN=1 CC=clang $(foreach f,$(F),build-fuzz/tests/fuzz/fuzz_$(f))
	@for f in $(F); do mkdir -p build-fuzz/corpus/$$f && \
		build-fuzz/tests/fuzz/fuzz_$$f -max_total_time=$(T) -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
		-artifact_prefix=build-fuzz/$$f- build-fuzz/corpus/$$f tests/corpus/$$f || exit 1; done

# Everything that make install puts down and make uninstall takes away: FROM:UNDER-PREFIX:MODE.
SHARE := share
COMPLETIONS := $(SHARE)/bash-completion/completions/agent $(SHARE)/zsh/site-functions/_agent \
	$(SHARE)/fish/vendor_completions.d/agent.fish
INSTALLED := $(B)/agent:bin/agent:755 $(B)/agent-sandbox:bin/agent-sandbox:755 $(B)/agent-egress:libexec/agent/agent-egress:755 \
	$(B)/agent.1:$(SHARE)/man/man1/agent.1:644 docs/agent-sandbox.1:$(SHARE)/man/man1/agent-sandbox.1:644 \
	$(B)/agent.conf.5:$(SHARE)/man/man5/agent.conf.5:644 \
	$(foreach d,agent.conf.example README.md LICENSE,$(d):$(SHARE)/doc/agent/$(d):644)
field = $(word $(2),$(subst :, ,$(1)))
install: all
	$(foreach f,$(INSTALLED),install -D -m $(call field,$(f),3) $(call field,$(f),1) $(DESTDIR)$(PREFIX)/$(call field,$(f),2) &&) :
	for shell in bash zsh fish; do $(B)/agent completion $$shell > $(B)/completion.$$shell || exit 1; done
	install -D -m 644 $(B)/completion.bash $(DESTDIR)$(PREFIX)/$(word 1,$(COMPLETIONS))
	install -D -m 644 $(B)/completion.zsh $(DESTDIR)$(PREFIX)/$(word 2,$(COMPLETIONS))
	install -D -m 644 $(B)/completion.fish $(DESTDIR)$(PREFIX)/$(word 3,$(COMPLETIONS))
# Where AppArmor restricts user namespaces: the profile that permits them to the installed agent-sandbox.
APPARMOR := $(DESTDIR)/etc/apparmor.d/agent-sandbox
APPARMOR_PARSER = $(if $(DESTDIR),,$(shell [ "$$(cat /sys/module/apparmor/parameters/enabled 2>&1)" = Y ] && \
	PATH="$$PATH:/sbin:/usr/sbin" command -v apparmor_parser))
install-apparmor:
	mkdir -p $(dir $(APPARMOR))
	sed 's,@PREFIX@,$(PREFIX),' docs/apparmor/agent-sandbox > $(APPARMOR)
	chmod 644 $(APPARMOR)
	$(if $(APPARMOR_PARSER),$(APPARMOR_PARSER) -r $(APPARMOR),@echo "$(APPARMOR) is in place; it is not loaded:" \
		"$(if $(DESTDIR),DESTDIR is set,AppArmor is not in use here or has no apparmor_parser)")
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,$(foreach f,$(INSTALLED),$(call field,$(f),2)) $(COMPLETIONS))
	rmdir $(DESTDIR)$(PREFIX)/share/doc/agent $(DESTDIR)$(PREFIX)/libexec/agent 2>/dev/null || :
	if grep -qs 'profile agent-sandbox $(PREFIX)/bin/agent-sandbox ' $(APPARMOR); then \
		$(if $(APPARMOR_PARSER),$(APPARMOR_PARSER) -R $(APPARMOR);) rm -f $(APPARMOR); fi

# A Debian package of what is built here, into build/.
deb: deps-build
	@$(MAKE) --no-print-directory all
	@packaging/deb $(B) $(VERSION)

# comparePointers: begin and end of an embedded file are two symbols of one object.
lint:
	cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr -D__x86_64__ \
		--include=tests/lib/cppcheck.h --suppress=missingIncludeSystem --suppress=ctuuninitvar \
		--suppress=identicalConditionAfterEarlyExit --suppress=preprocessorErrorDirective --suppress=comparePointers \
		--std=c11 -D_GNU_SOURCE -I. -I$(B)/gen agent providers sandbox prompts
	shellcheck .ci/run .ci/deps packaging/deb $$(grep -lE '^#(!/(usr/)?bin/(env )?(ba)?sh| shellcheck shell=bash)' -r tests | sort)
format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build build-san build-fuzz

-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)
