# agent: see README.md. Doors: make, make demo, make check, make bench, make install, make lint, make format.
# SAN=1 builds with address and undefined-behaviour sanitizers into build-san/.
CC ?= gcc
PREFIX ?= /usr/local
B := $(if $(SAN),build-san,build)
VERSION := 0.1.0

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Werror
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection -D_FORTIFY_SOURCE=2 -fPIE
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DBUILD_ASAN
CPPFLAGS := -D_GNU_SOURCE -iquote . -iquote $(B)/gen -DAGENT_VERSION='"$(VERSION)"'
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=c17 $(CFLAGS) $(WARN) $(if $(SAN),$(SANFLAGS),$(HARDEN)) -MMD -MP
ALL_LDFLAGS := $(LDFLAGS) $(if $(SAN),$(SANFLAGS),-pie -Wl,-z,relro,-z,now,-z,noexecstack)

include sandbox/sources.mk

BASE_SRC := $(filter-out agent/base/json.c,$(wildcard agent/base/*.c))
AGENT_SRC := $(wildcard agent/*.c) $(wildcard providers/*.c) agent/base/json.c $(BASE_SRC) $(SANDBOX_AGENT_SRC)
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
AGENT_OBJ := $(call obj,$(AGENT_SRC)) $(B)/obj/prompts/embed.o
HELPER_OBJ := $(call obj,$(SANDBOX_HELPER_SRC) $(BASE_SRC))

.PHONY: all check check-only demo bench install uninstall lint format clean deps deps-check
all: $(B)/agent $(B)/agent-sandbox

$(B)/agent: $(AGENT_OBJ)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcurl -lcjson -linih -lm
$(B)/agent-sandbox: $(HELPER_OBJ)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lseccomp -lcap
$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<
$(B)/obj/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<
$(B)/obj/prompts/embed.o: $(wildcard prompts/*.md prompts/*.json) sandbox/interpreter/driver.py

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

clean:
	rm -rf build build-san
