# aigw: an AI gateway without a gateway. `make help` lists the targets.
# Packager's variables: PREFIX DESTDIR CC CFLAGS LDFLAGS. BUILD: where to build. SAN: sanitizers, as
# in SAN=address,undefined (use another BUILD then).

VERSION = 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
CC ?= cc
SAN ?=
CFLAGS ?= -O2 -g
LDFLAGS ?=
V ?=
JOBS ?= $(shell nproc)
Q = $(if $(V),,@echo '  MAKE   $@';)

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla -Wundef -Wno-unused-parameter -Werror
# tools/dev/check-hardening looks at what comes of these. Fortified calls need an optimizer, and are in a
# sanitizer's way.
HARD = -fstack-protector-strong -fstack-clash-protection $(HARD_$(MACHINE)) -fno-common -fno-strict-aliasing $(FORTIFY)
FORTIFY = $(if $(SAN)$(findstring FORTIFY,$(CFLAGS)),,$(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
IS_CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null))
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
HARD_x86_64 = -fcf-protection
HARD_aarch64 = -mbranch-protection=standard
HARD_LINK = -Wl,-z,now,-z,relro,-z,noexecstack
PACK_x86_64 = ,-z,pack-relative-relocs
LIB_LINK = $(HARD_LINK) -Wl,-z,noseparate-code$(PACK_$(MACHINE))
# A call finds the processor's caches full of the program's own: fewer bytes of code are worth more to it than
# loops that begin on a boundary.
DENSE := -fno-align-functions $(if $(IS_CLANG),,-fno-align-jumps -fno-align-loops -fno-align-labels)
SANFLAGS = $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
LLHTTP = /usr/share/llhttp
CPP = -std=c11 -D_GNU_SOURCE -DAIGW_VERSION='"$(VERSION)"' -Isrc -Iinclude -I$(BUILD)/gen
ALLFLAGS = $(CPP) $(WARN) $(HARD) $(CFLAGS) $(SANFLAGS) -fPIC -fvisibility=hidden $(DENSE) \
	-ffunction-sections -fdata-sections -MMD -MP

FLOORS = base wire llm limits policy audit keys
ROOMS = $(sort $(foreach f,$(FLOORS),$(wildcard src/$(f)/*.c)))
# What the tool and the daemon have and the library has not: records as people and other systems read
# them, and the way there. A folder of drain is a module that is loaded when a sink needs it.
OUTWARD = $(sort $(wildcard src/report/*.c src/drain/*.c))
MODULES = $(notdir $(patsubst %/,%,$(dir $(wildcard src/drain/*/module.c))))
MODULE_FILES = $(sort $(foreach m,$(MODULES),$(wildcard src/drain/$(m)/*.c)))
MODULE_LIBS_http = -lcurl -lz
MODULE_LIBS_kafka = -lrdkafka
MODULE_LIBS_postgres = -lpq
MODULE_LIBS_syslog = -lssl -lcrypto
SHIM = $(sort $(wildcard src/shim/*.c))
TOOL = $(sort $(wildcard tools/aigw/*.c))
DAEMON = $(sort $(wildcard src/daemon/*.c))
# Rooms of the tool that are pure are unit-tested and fuzzed like the floors.
TOOL_PURE = $(BUILD)/tools/aigw/coverage.o $(BUILD)/tools/aigw/elf.o $(patsubst %,$(BUILD)/tools/aigw/%.o,csv tally invoice index signed manifest evidence recipients)
OBJ = $(ROOMS:%.c=$(BUILD)/%.o) $(BUILD)/gen/catalogue_table.o $(BUILD)/gen/price_table.o
OUTOBJ = $(OUTWARD:%.c=$(BUILD)/%.o)
LLOBJ = $(BUILD)/llhttp/api.o $(BUILD)/llhttp/http.o $(BUILD)/llhttp/llhttp.o
STATIC = -l:libsodium.a -l:libz.a -l:libbrotlidec.a -l:libbrotlicommon.a -l:libzstd.a
HOOKED_LIBC = $(shell sed -nE 's/^(LIBC|LOADER)_HOOK.([^,]*), ([a-z_0-9]*),.*/\3/p' src/shim/hooks.def)

# For clang the inline definitions that come with fortified calls are definitions: ours, the hooks, would come too late.
UNFORTIFIED = -U_FORTIFY_SOURCE
$(if $(IS_CLANG),$(eval $(SHIM:%.c=$(BUILD)/%.o): FORTIFY = $(UNFORTIFIED)))

all: $(BUILD)/libaigw.so $(BUILD)/aigw $(BUILD)/aigwd $(MODULES:%=$(BUILD)/modules/aigw-sink-%.so) ## build the library, the tool and the collector

comma = ,

# ---- the library: needs libc and nothing else, exports the hook table and nothing else. With a sanitizer
# it starts after that one's runtime, which sets limits and looks for its functions through dlsym before it can be called.
# The C runtime's _fini does nothing, and stands on a page of its own at the end of the code: there is no such
# function as "none", and so no call.

$(BUILD)/libaigw.so: $(OBJ) $(SHIM:%.c=$(BUILD)/%.o) $(LLOBJ) $(BUILD)/gen/exports.map $(BUILD)/gen/order.ld
	$(Q)$(CC) -shared $(CFLAGS) $(SANFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) \
		-Wl,--version-script=$(BUILD)/gen/exports.map -Wl,-Bsymbolic-functions \
		$(LIB_LINK) -Wl,-z,nodelete$(if $(SAN),,$(comma)-z$(comma)defs$(comma)-z$(comma)initfirst) -Wl,--gc-sections -Wl,-z,nodynamic-undefined-weak \
		-Wl,-soname,libaigw.so -Wl,-fini=none $$([ ! -s $(BUILD)/gen/order.ld ] || echo -Wl,-T,$(BUILD)/gen/order.ld) $(HOOKED_LIBC:%=-Wl,--wrap=%) $(STATIC)

$(BUILD)/gen/exports.map: src/shim/hooks.def
	@mkdir -p $(@D)
	$(Q)sed -n $(if $(SAN),-e '/^LOADER_HOOK/d' -e '/^LIBC_HOOK.int$(comma) setrlimit/d') -e '1i { global:' -e 's/^[A-Z]*_HOOK([^,]*, \([A-Za-z_0-9]*\),.*/\1;/p' \
		-e '$$a local: *; };' $< > $@

# The linker's own script, with first in its .text what a start runs (shim/init.h) and what a call runs
# (src/shim/calls.order). In a section of their own they would have no names for valgrind. What is not there is not
# missed: another compiler inlines other functions. A linker that does not print its script keeps its own order.
STARTS = *crtbegin*.o(.text .text.*) *(.text.exit .text.exit.*) *(.text.startup .text.startup.*)
$(BUILD)/gen/order.ld: src/shim/calls.order
	@mkdir -p $(@D)
	$(Q)sed -n -e 's/^[*].*/\t&(.text .text.*)/p' -e 's/^[A-Za-z_].*/\t*(.text.& .text.&.*)/p' $< > $@.calls; \
	$(CC) -shared $(LDFLAGS) $(LIB_LINK) -Wl,--verbose -x c /dev/null -o /dev/null 2>/dev/null | awk -v calls=$@.calls ' \
		/^=====/ { inside = !inside; next } \
		inside { print } \
		inside && /^ *\.text[ :]/ { text = 1 } \
		text && /{/ { print "\t$(STARTS)"; while ((getline line <calls) > 0) print line; text = 0 }' > $@; rm $@.calls

# ---- the tool

$(BUILD)/aigw: $(OBJ) $(OUTOBJ) $(TOOL:%.c=$(BUILD)/%.o) $(LLOBJ)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS) -pie $(HARD_LINK) -Wl,--gc-sections -o $@ $^ \
		$(STATIC)

# ---- the daemon

$(BUILD)/aigwd: $(OBJ) $(OUTOBJ) $(DAEMON:%.c=$(BUILD)/%.o) $(LLOBJ)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS) -pie $(HARD_LINK) -Wl,--gc-sections -o $@ $^ \
		$(STATIC)

# One symbol goes out of a module, aigw_sink_module; what it needs of the floors it has inside.
.SECONDEXPANSION:
$(BUILD)/modules/aigw-sink-%.so: $$(addprefix $(BUILD)/,$$(addsuffix .o,$$(basename $$(sort $$(wildcard src/drain/$$*/*.c))))) $(BUILD)/src/drain/sink.o $(OBJ) $(LLOBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(CFLAGS) $(SANFLAGS) $(LDFLAGS) -o $@ $^ $(HARD_LINK) -Wl,--gc-sections \
		-Wl,-Bsymbolic -Wl,--exclude-libs,ALL$(if $(SAN),,$(comma)-z$(comma)defs) $(MODULE_LIBS_$*) $(STATIC)

# ---- generated

$(BUILD)/gen/catalogue_table.c: policy/providers.json $(BUILD)/make-catalogue
	@mkdir -p $(@D)
	$(Q)$(BUILD)/make-catalogue $< > $@.new && mv $@.new $@

# What the dialects read with is made from the table: only what does not need it goes in here.
$(BUILD)/make-catalogue: $(patsubst %.c,$(BUILD)/%.o,tools/dev/make-catalogue.c $(wildcard tools/dev/catalogue/*.c) \
		$(wildcard src/base/*.c src/wire/json*.c) src/llm/call.c src/llm/error_shape.c)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/gen/price_table.c: policy/prices.json $(BUILD)/make-prices-table
	@mkdir -p $(@D)
	$(Q)$(BUILD)/make-prices-table $< > $@.new && mv $@.new $@

$(BUILD)/make-prices-table: $(BUILD)/tools/dev/make-prices-table.o $(filter $(BUILD)/src/base/% $(BUILD)/src/wire/json% $(BUILD)/src/llm/price.o,$(ROOMS:%.c=$(BUILD)/%.o))
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/gen/observe_policy.h: policy/observe.json tools/dev/make-text-header
	@mkdir -p $(@D)
	$(Q)sh tools/dev/make-text-header observe_policy $< > $@.new && mv $@.new $@

$(TOOL:%.c=$(BUILD)/%.o): | $(BUILD)/gen/observe_policy.h

# ---- compiling

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLFLAGS) -ftls-model=initial-exec $(EXTRA) -c -o $@ $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(Q)$(CC) $(ALLFLAGS) -c -o $@ $<

$(BUILD)/src/wire/http1.o: EXTRA = -I/usr/share/include/llhttp

$(BUILD)/llhttp/%.o: $(LLHTTP)/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) -w -DLLHTTP_STRICT_MODE=1 -I/usr/share/include/llhttp -fPIC \
		-fvisibility=hidden -ffunction-sections -c -o $@ $<

-include $(shell find $(BUILD) \( -path $(BUILD)/peers -o -path $(BUILD)/peers-bench -o -path $(BUILD)/syslog \) -prune -o -name '*.d' -print 2>/dev/null)

# ---- tests

UNIT = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZ = $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
TESTLIBS = -lsodium -lz -lbrotlidec -lbrotlicommon -lzstd -lpthread
# The rooms are as they will be used; the tests around them are not worth an optimizer's time. Sanitized
# tests are many and large: gold links them in a third of the time.
TESTFLAGS = $(CPP) -Itools -Itests/unit $(WARN) $(CFLAGS) -O0 -U_FORTIFY_SOURCE $(SANFLAGS) $(SANLINKER) -DAIGW_TEST_BUILD='"$(BUILD)"'
SANLINKER = $(if $(SAN),$(if $(shell command -v ld.gold),-fuse-ld=gold))

# Rooms of the drain's modules that do not need their library, likewise.
MODULE_PURE = $(patsubst %,$(BUILD)/src/drain/%.o,syslog/address syslog/message postgres/copy http/sigv4 http/s3_text) \
	$(patsubst %,$(BUILD)/src/drain/http/%.o,delivery event_text explain gzip head otlp_body otlp_metrics secret \
		$(notdir $(basename $(wildcard src/drain/http/preset*.c))))

# Rooms of the shim that do not need its constructor, and of the daemon that do not need its loop, are
# unit-tested like the floors.
TESTED_SHIM = $(patsubst %,$(BUILD)/src/shim/%.o,insn symbols patch peer hello asked fingerprint key_holder checked) \
	$(patsubst %,$(BUILD)/src/daemon/%.o,account sender metrics)

# One archive, of which each test takes what it needs: that links in a fraction of the time.
$(BUILD)/unit/rooms.a: $(TOOL_PURE) $(MODULE_PURE) $(OUTOBJ) $(OBJ) $(TESTED_SHIM) $(LLOBJ)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcsT $@ $^

$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/unit/tap.o $(BUILD)/unit/rooms.a
	$(Q)$(CC) $(TESTFLAGS) -o $@ $^ -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc $(TESTLIBS)

# Modules that test_modules loads: one that fits, and such as must not be taken.
FAKES = kafka postgres syslog http
FAKE_kafka = -DFAKE_VERSION=SINK_MODULE_VERSION '-DFAKE_BYTES=sizeof(struct drain)' '-DFAKE_NAME="kafka"'
FAKE_postgres = -DFAKE_VERSION=SINK_MODULE_VERSION+1 '-DFAKE_BYTES=sizeof(struct drain)' '-DFAKE_NAME="postgres"'
FAKE_http = -DFAKE_VERSION=SINK_MODULE_VERSION '-DFAKE_BYTES=sizeof(struct drain)' '-DFAKE_NAME="otlp"'
$(BUILD)/unit/test_modules: | $(FAKES:%=$(BUILD)/unit/modules/aigw-sink-%.so)

$(BUILD)/unit/modules/aigw-sink-%.so: tests/unit/modules/fake.c src/drain/sink.h src/drain/config.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(TESTFLAGS) $(FAKE_$*) -fPIC -shared -o $@ $<

$(BUILD)/unit/tap.o: tests/unit/tap.c tests/unit/tap.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(TESTFLAGS) -c -o $@ $<

# What a fuzz target has besides: the whole gate, over a TLS library in memory.
FUZZ_GATE = $(sort $(wildcard $(foreach part,books far witness $(1),tests/fuzz/gate/$(part).[ch]))) $(patsubst %,$(BUILD)/src/shim/%.o,\
	asked conn explain fds fingerprint hello key_holder keyring notice peer quota wake $(notdir $(basename $(wildcard src/shim/gate*.c))) $(2))
FUZZ_PARTS_fuzz_gate = $(call FUZZ_GATE,fake_tls,hook_openssl openssl)
FUZZ_PARTS_fuzz_gnutls = $(call FUZZ_GATE,fake_gnutls,hook_gnutls gnutls)

FUZZ_PARTS_fuzz_args = $(BUILD)/tools/aigw/args.o $(BUILD)/tools/aigw/print.o

$(BUILD)/fuzz/%: tests/fuzz/%.c $$(FUZZ_PARTS_$$*) tests/fuzz/replay.c $(BUILD)/unit/rooms.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(TESTFLAGS) -o $@ $(filter-out %.h,$^) $(TESTLIBS)

unit-build: $(UNIT) $(FUZZ:%=$(BUILD)/fuzz/%)

# ---- what the end-to-end tests and the benchmark run

TESTBINS = provider tls_client gnutls_client thread_client raw_client odd_socket make-hello bio_client door_client doors/plugin.so \
	doors/deep.so doors/other.so doors/caller.so doors/sub/libinner.so odd_client odd_malloc hostile_host make-log tls_bench \
	start_bench load_bench bare_shim.so call_bench scan_bench keys_bench collect_client collect_bench limits-hammer kafka_mock sink_client fault-run fault_alloc.so before_close.so $(WRITERTESTS) $(STATICBINS)
BINFLAGS = -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) $(SANFLAGS) $(SANLINK)

$(BUILD)/tests/provider: tests/bin/provider.c $(wildcard tests/bin/provider/*.c tests/bin/provider/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $(filter %.c,$^) -lssl -lcrypto -lz -lpthread

$(BUILD)/tests/tls_client $(BUILD)/tests/bio_client: $(BUILD)/tests/%: tests/bin/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $^ -lssl -lcrypto

# OpenSSL inside the executable: at a fixed address or not, with exported functions, with those in
# the file's symbol table only, or with none.
STATICBINS = $(patsubst %,static_client-%,pie pie-exported exec exec-exported stripped) static_bio static_host \
	static_plugin.so static_plugin-own.so stub-plain stub-odd stub-loop stub-foreign stub-partial big_program
STATICLIBS = -l:libssl.a -l:libcrypto.a -lpthread -ldl

$(BUILD)/tests/static_client-pie: STATICFLAGS = -fPIE -pie
$(BUILD)/tests/static_client-pie-exported: STATICFLAGS = -fPIE -pie -rdynamic
$(BUILD)/tests/static_client-exec: STATICFLAGS = -fno-pie -no-pie
$(BUILD)/tests/static_client-exec-exported: STATICFLAGS = -fno-pie -no-pie -rdynamic -Wl,--hash-style=sysv
$(BUILD)/tests/static_client-stripped: STATICFLAGS = -fPIE -pie -s
$(BUILD)/tests/static_client-%: tests/bin/tls_client.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) $(STATICFLAGS) -o $@ $^ $(STATICLIBS)

$(BUILD)/tests/static_bio: tests/bin/bio_client.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $^ $(STATICLIBS)

# What it loads uses its functions, or brings a libssl.
$(BUILD)/tests/static_host: tests/bin/static_host.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -rdynamic -o $@ $^ -Wl,--whole-archive -l:libssl.a -l:libcrypto.a \
		-Wl,--no-whole-archive -lpthread -ldl

$(BUILD)/tests/static_plugin-own.so: STATICFLAGS = -lssl -lcrypto
$(BUILD)/tests/static_plugin.so $(BUILD)/tests/static_plugin-own.so: tests/bin/tls_client.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -fPIC -shared -o $@ $^ $(STATICFLAGS)

# Functions with OpenSSL's names that must be left alone.
$(BUILD)/tests/stub-%: tests/bin/stub.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -rdynamic -DSTUB_$* -o $@ $^

# 50 MB, with a symbol table, and without OpenSSL.
$(BUILD)/tests/big_program: tests/bin/big_program.sh
	@mkdir -p $(@D)
	$(Q)sh $< "$(CC)" $@

$(BUILD)/tests/door_client: tests/bin/door_client.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $^

# What it loads, and another preload.
$(BUILD)/tests/doors/caller.so: DOORFLAGS = -Wl,--enable-new-dtags,-rpath,'$$ORIGIN/sub'
$(BUILD)/tests/doors/plugin.so: DOORFLAGS = -lssl
$(BUILD)/tests/doors/%.so: tests/bin/doors/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -Wmissing-prototypes,$(BINFLAGS)) -fPIC -shared -Wl,-z,lazy -o $@ $^ $(DOORFLAGS)

$(BUILD)/tests/doors/sub/libinner.so: tests/bin/doors/caller.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -DINNER -fPIC -shared -o $@ $^

$(BUILD)/tests/gnutls_client: tests/bin/gnutls_client.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $^ -lgnutls -lpthread

$(BUILD)/tests/thread_client: tests/bin/thread_client.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $^ -lssl -lcrypto -lgnutls -lpthread

$(BUILD)/tests/collect_client: tests/bin/collect_client.c include/aigw/collect.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -Iinclude -o $@ $<

$(BUILD)/tests/collect_bench: tests/bench/collect_bench.c include/aigw/collect.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -Iinclude -o $@ $< -lpthread

$(BUILD)/tests/raw_client $(BUILD)/tests/odd_socket: $(BUILD)/tests/%: tests/bin/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $^

$(BUILD)/tests/fault-run: tests/bin/fault-run.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $^

$(BUILD)/tests/fault_alloc.so: tests/bin/fault_alloc.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -fno-builtin -fPIC -shared -o $@ $^

$(BUILD)/tests/before_close.so: tests/bin/before_close.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -fPIC -shared -o $@ $^

$(BUILD)/tests/make-hello: tests/bin/make-hello.c $(OBJ) $(LLOBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) -Itests/unit $(WARN) $(CFLAGS) -o $@ $^ $(TESTLIBS)

# The same client twice, the second time with an allocator of its own.
$(BUILD)/tests/odd_malloc: tests/bin/odd_malloc.c
$(BUILD)/tests/odd_client $(BUILD)/tests/odd_malloc: tests/bin/odd_client.c $(wildcard tests/bin/odd_client/*)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $(filter %.c,$^) -lssl -lcrypto -lpthread

# Exports, as poison, whatever the library has inside: read off what the library is made from.
INSIDE = $(OBJ) $(SHIM:%.c=$(BUILD)/%.o) $(LLOBJ)
$(BUILD)/tests/poison.c: tests/bin/make-poison src/shim/hooks.def $(INSIDE)
	@mkdir -p $(@D)
	$(Q)tests/bin/make-poison src/shim/hooks.def $(INSIDE) \
		$(foreach a,$(STATIC:-l:%=%),$(shell $(CC) -print-file-name=$(a))) >$@.new && mv $@.new $@

$(BUILD)/tests/hostile_host: tests/bin/hostile_host.c $(wildcard tests/bin/hostile_host/*) $(BUILD)/tests/poison.c
	@mkdir -p $(@D)
	$(Q)$(CC) -c -w -fno-builtin -Itests/bin/hostile_host -o $(BUILD)/tests/poison.o $(BUILD)/tests/poison.c
	$(Q)$(CC) $(BINFLAGS) -rdynamic -o $@ $(filter-out %/poison.c,$(filter %.c,$^)) $(BUILD)/tests/poison.o \
		-lssl -lcrypto -lseccomp -lpthread

$(BUILD)/tests/make-log: tests/bin/make-log.c $(OBJ) $(LLOBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) $(WARN) $(CFLAGS) -o $@ $^ $(TESTLIBS)

# One sink of a policy, without the daemon: built in, or from a module.
$(BUILD)/tests/sink_client: tests/bin/sink_client.c $(OUTOBJ) $(OBJ) $(LLOBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) $(WARN) $(CFLAGS) -o $@ $^ $(TESTLIBS) -ldl

# librdkafka's own mock cluster, and what arrived there.
$(BUILD)/tests/kafka_mock: tests/bin/kafka_mock.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $^ -lrdkafka

$(BUILD)/tests/limits-hammer: tests/bin/limits-hammer.c $(OBJ) $(LLOBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) $(WARN) $(CFLAGS) -o $@ $^ $(TESTLIBS)

# With the product's own writer; the test's kit counts on tap, which fails allocations.
WRITERTESTS = kill-writers flip-bits make-vectors audit_bench source_bench
$(BUILD)/tests/kill-writers $(BUILD)/tests/flip-bits $(BUILD)/tests/make-vectors: $(BUILD)/tests/%: tests/bin/%.c $(BUILD)/unit/tap.o $(OBJ) $(LLOBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) -Itests/unit $(WARN) $(CFLAGS) -o $@ $^ -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc $(TESTLIBS)

$(BUILD)/tests/audit_bench $(BUILD)/tests/source_bench: $(BUILD)/tests/%: tests/bench/%.c $(BUILD)/unit/tap.o $(OUTOBJ) $(OBJ) $(LLOBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) -Itests/unit $(WARN) $(CFLAGS) -o $@ $^ -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc $(TESTLIBS)

# Has a function of ours inside; the others know nothing of aigw.
$(BUILD)/tests/scan_bench: tests/bench/scan_bench.c $(OBJ) $(LLOBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) $(WARN) $(CFLAGS) -o $@ $^ $(TESTLIBS)

# Asks as the shim does.
$(BUILD)/tests/keys_bench: tests/bench/keys_bench.c $(BUILD)/src/shim/key_holder.o $(OBJ) $(LLOBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPP) $(WARN) $(CFLAGS) -o $@ $^ $(TESTLIBS)

# The yardstick: the least that a preload can do which records every call encrypted.
$(BUILD)/tests/bare_shim.so: tests/bench/bare_shim.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -fPIC -shared -fvisibility=hidden -o $@ $^ -lsodium

$(BUILD)/tests/load_bench: tests/bench/load_bench.c $(wildcard tests/bench/load_bench/*)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $(filter %.c,$^) -lssl -lcrypto -lpthread

$(BUILD)/tests/%_bench: tests/bench/%_bench.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $^ -lssl -lcrypto

tests-build: unit-build $(TESTBINS:%=$(BUILD)/tests/%)

# Node.js and what its test clients import, bun and deno: from npm.
node-clients:
	@tools/dev/install-node-clients $(BUILD)/node
	@tools/dev/install-npm-clients $(BUILD)/npm-clients

# What the tests of the syslog sink send to.
syslog-servers:
	@tools/dev/install-syslog-servers $(BUILD)/syslog

check: packages-check node-clients syslog-servers ## set up, build, run every test; ends with "N passed, N failed, N skipped"
	@$(MAKE) --no-print-directory -j$(JOBS) all tests-build
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)-asan SAN=address,undefined CFLAGS='-O1 -g1' unit-build
	@BUILD=$(BUILD) tools/dev/check $(BUILD)

unit: unit-build ## the unit tests and the replay of the fuzz corpora
	@BUILD=$(BUILD) tools/dev/check $(BUILD) unit

e2e: all tests-build node-clients syslog-servers ## the end-to-end tests with real programs
	@BUILD=$(BUILD) tools/dev/check $(BUILD) e2e

# ---- lint: each file is looked at again only after it changed

LINTED = $(ROOMS) $(OUTWARD) $(MODULE_FILES) $(SHIM) $(TOOL) $(DAEMON) $(sort $(wildcard tools/dev/*.c tools/dev/*/*.c))
# How far the analyzer follows each function in each check; its own default, 225000, takes four times as long for
# the little that is only found there: make analyze.
LINT_NODES ?= 10000
LINT_FLAGS = $(CPP) $(WARN) -I/usr/share/include/llhttp

lint: all lint-files ## the rules of the house, both compilers, static analysis, formatting
	@BUILD=$(BUILD) tools/dev/check $(BUILD) lint

lint-files: $(LINTED:%.c=$(BUILD)/lint/%.ok)

# By hand, most of an hour: as deep as the analyzer goes, with its checkers of security that lint leaves out; and clang-tidy's
# set of security (.clang-tidy says what of it is left out, and why).
DEEP_CHECKERS = security.insecureAPI.bcmp security.insecureAPI.bcopy security.insecureAPI.bzero security.FloatLoopCounter \
	security.insecureAPI.rand security.insecureAPI.strcpy security.insecureAPI.vfork optin.portability.UnixAPI nullability \
	alpha.security.ArrayBound alpha.security.MallocOverflow alpha.security.ReturnPtrRange alpha.security.cert.env.InvalidPtr \
	alpha.security.taint.TaintPropagation alpha.unix.cstring.OutOfBounds alpha.core.IdenticalExpr

analyze: packages-analyze all ## clang's analyzer as deep as it goes, its checkers of security and clang-tidy's
	@$(MAKE) --no-print-directory -k -j$(JOBS) BUILD=$(BUILD)/deep CC="$(CC)" LINT_NODES=225000 \
		LINT_CHECKERS='$(DEEP_CHECKERS:%=-Xclang -analyzer-checker=%)' lint-files tidy-files

tidy-files: $(LINTED:%.c=$(BUILD)/tidy/%.ok)

# The library's threads are the program's; the daemon, its drain and the tools have one each.
$(BUILD)/tidy/%.ok: %.c .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $(if $(filter src/daemon/% src/drain/% tools/%,$<),--checks=-concurrency-mt-unsafe) $< -- $(LINT_FLAGS) \
		>$(@:.ok=.said) 2>&1 || { cat $(@:.ok=.said); exit 1; }
	@touch $@

$(BUILD)/lint/%.ok: %.c
	@mkdir -p $(@D)
	@clang $(LINT_FLAGS) -O2 $(if $(filter src/shim/%,$<),$(UNFORTIFIED),-D_FORTIFY_SOURCE=2) -fsyntax-only $<
	@clang --analyze $(LINT_FLAGS) -Xclang -analyzer-werror -Xclang -analyzer-config -Xclang max-nodes=$(LINT_NODES) \
		$(LINT_CHECKERS) -o $(@:.ok=.plist) $<
	@$(if $(findstring clang,$(CC)),gcc $(LINT_FLAGS) -O2 -fsyntax-only $<,:) # the build is gcc's pass already
	@cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr \
		--suppress=normalCheckLevelMaxBranches --suppress=preprocessorErrorDirective -D__x86_64__ -Isrc $< 
	@touch $@

$(LINTED:%.c=$(BUILD)/lint/%.ok) $(LINTED:%.c=$(BUILD)/tidy/%.ok): | $(BUILD)/gen/observe_policy.h

# ---- fuzzing: make fuzz [FUZZ_ONE="fuzz_json fuzz_gate"] SECONDS=60 [FUZZ_JSON=file]

SECONDS ?= 60
FUZZ_ONE ?= $(FUZZ)
FUZZ_JSON ?=
FUZZ_CC ?= clang
FUZZ_MAKE = $(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)-fuzz CC='$(FUZZ_CC)' CFLAGS='-O1 -g' \
	SAN=fuzzer-no-link,address,undefined

fuzz: packages-check ## run the fuzzers (libFuzzer, ASan, UBSan), SECONDS each; one table at the end
	@$(FUZZ_MAKE) $(FUZZ_ONE:%=$(BUILD)-fuzz/libfuzzer/%)
	@/usr/bin/python3 tests/fuzz/run --seconds $(SECONDS) --jobs $(JOBS) $(if $(FUZZ_JSON),--json $(FUZZ_JSON)) \
		$(BUILD)-fuzz $(FUZZ_ONE)

$(BUILD)/libfuzzer/%: tests/fuzz/%.c $$(FUZZ_PARTS_$$*) $(BUILD)/unit/rooms.a
	@mkdir -p $(@D)
	$(Q)clang $(CPP) -Itools $(CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $(filter-out %.h,$^) $(TESTLIBS)

# The tool on files that AFL++ makes; FUZZ_CASES="log export": only these. AFL++ is a package of its own.
FUZZ_CASES ?=
FUZZ_FILES_CC ?= afl-clang-fast

fuzz-files: ## run AFL++ on the files that the tool reads, SECONDS each
	@tools/dev/install-packages build afl || { echo "make fuzz-files needs AFL++ (Debian: afl++); nothing was run" >&2; exit 3; }
	@AFL_QUIET=1 $(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)-afl CC='$(FUZZ_FILES_CC)' CFLAGS='-O1 -g' \
		SAN=address,undefined $(BUILD)-afl/aigw $(BUILD)-afl/fuzz-files-checksums.so
	@/usr/bin/python3 tests/fuzz/files/run --seconds $(SECONDS) --jobs $(JOBS) $(if $(FUZZ_JSON),--json $(FUZZ_JSON)) \
		$(BUILD)-afl $(if $(FUZZ_CASES),--only $(FUZZ_CASES))

# Loaded by afl-fuzz itself: without sanitizers.
$(BUILD)/fuzz-files-checksums.so: tests/fuzz/files/checksums.c src/audit/frame.c src/audit/seal.c src/wire/aes.c src/wire/sha256.c $(wildcard src/base/*.c)
	@mkdir -p $(@D)
	$(Q)cc $(CPP) $(WARN) -O2 -fPIC -shared -o $@ $^ -lsodium

# How much of each file the committed corpora reach; FUZZ_CORPUS=build-fuzz/corpus: what fuzzing found, too.
FUZZ_CORPUS ?=

fuzz-coverage: packages-coverage ## what the committed fuzz corpora cover of each file
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)-cov CC='$(FUZZ_CC)' \
		CFLAGS='-O0 -g -fprofile-instr-generate -fcoverage-mapping' $(FUZZ:%=$(BUILD)-cov/fuzz/%)
	@/usr/bin/python3 tests/fuzz/coverage $(if $(FUZZ_CORPUS),--corpus $(FUZZ_CORPUS)) $(if $(FUZZ_JSON),--json $(FUZZ_JSON)) \
		$(BUILD)-cov $(FUZZ)

# ---- threads and memory

# The library stands in front of all others, as if preloaded: other programs need no sanitizer's runtime then.
TSAN_MAKE = $(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)-tsan CC="$(if $(findstring clang,$(CC)),$(CC),clang)" \
	SAN=thread CFLAGS='-O1 -g'
TSAN_LINK = -Wl,--push-state,--no-as-needed $(BUILD)-tsan/libaigw.so -Wl,--pop-state -Wl,-rpath,$(abspath $(BUILD)-tsan)

tsan: packages-check ## programs with many threads under ThreadSanitizer: no report
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BUILD)/tests/provider
	@$(TSAN_MAKE) $(BUILD)-tsan/libaigw.so
	@$(TSAN_MAKE) SANLINK="$(TSAN_LINK)" $(patsubst %,$(BUILD)-tsan/tests/%,thread_client gnutls_client race)
	@BUILD=$(BUILD) TSAN=$(abspath $(BUILD)-tsan) bats --setup-suite-file tests/e2e/setup_suite.bash tests/tsan/threads.bats

valgrind: packages-check ## library, tool, collector and drain under valgrind: no error, nothing lost
	@$(MAKE) --no-print-directory -j$(JOBS) all $(patsubst %,$(BUILD)/tests/%,provider thread_client make-log wrong_memory same_program.so)
	@BUILD=$(BUILD) bats --setup-suite-file tests/e2e/setup_suite.bash tests/valgrind/memory.bats

$(BUILD)/tests/wrong_memory: tests/valgrind/wrong_memory.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -g -O0 -w -o $@ $^

$(BUILD)/tests/same_program.so: tests/valgrind/same_program.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -fPIC -shared -o $@ $^

$(BUILD)/tests/race: tests/tsan/race.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BINFLAGS) -o $@ $^ -lpthread

# ---- packages, demo, bench

packages-build:
	@tools/dev/install-packages build
packages-demo:
	@tools/dev/install-packages demo
packages-check:
	@tools/dev/install-packages check
packages-bench:
	@tools/dev/install-packages bench
packages-analyze:
	@tools/dev/install-packages check analyze
packages-coverage:
	@tools/dev/install-packages check coverage

demo: packages-demo ## install what is missing, build, and see it work on real programs
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BUILD)/tests/provider
	@BUILD=$(BUILD) tools/demo

# What the benchmark runs. The gateways that it compares with come from Debian and npm; one that cannot be had is a
# row that says so.
BENCHBINS = provider load_bench bare_shim.so tls_bench start_bench call_bench scan_bench keys_bench limits-hammer
BENCH_OPTIONS = $(if $(QUICK),--quick,--docs docs)

bench: packages-bench ## every way to a provider, gateways too, in one run: docs/performance.md (QUICK=1: two minutes, only shown)
	@tools/dev/install-bench-peers $(BUILD)/peers-bench
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BENCHBINS:%=$(BUILD)/tests/%)
	@/usr/bin/python3 tests/bench/run $(BUILD) $(BENCH_OPTIONS)

soak: packages-check ## five minutes (SECONDS=3600: an hour) of every kind of call: nothing may grow, none may be missing
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BUILD)/tests/provider
	@/usr/bin/python3 tests/bench/soak $(BUILD) --seconds $(if $(filter command%,$(origin SECONDS)),$(SECONDS),300)

# ---- install

MAN1 = $(sort $(wildcard docs/man/*.1))
MAN5 = $(sort $(wildcard docs/man/*.5))
MAN7 = $(sort $(wildcard docs/man/*.7))
MAN8 = $(sort $(wildcard docs/man/*.8))
UNITDIR ?= $(PREFIX)/lib/systemd/system
UNITS = aigwd.service aigwd.socket aigwd-keys.service aigwd-keys.socket aigwd-drain.service
SHARED = policy/policy.schema.json policy/providers.json policy/prices.json $(READY:%=policy/%.json)
READY = observe strict hipaa developer-laptop
DOCS = README.md LICENSE docs/policy.md docs/audit-format.md docs/keys.md docs/threat-model.md docs/architecture.md \
	docs/performance.md docs/performance.svg docs/proof.md docs/CHANGES.md
USER_UNITS = $(sort $(wildcard systemd/user/*))
D = $(DESTDIR)$(PREFIX)

install: all ## install below DESTDIR/PREFIX
	install -d $(D)/bin $(D)/lib/aigw $(D)/share/aigw/examples $(D)/share/doc/aigw \
		$(D)/share/man/man1 $(D)/share/man/man5 $(D)/share/man/man7 $(D)/share/man/man8 $(DESTDIR)$(UNITDIR)
	install -m 755 $(BUILD)/aigw $(BUILD)/aigwd $(D)/bin
	for unit in aigwd aigwd-keys; do \
		sed 's|@PREFIX@|$(PREFIX)|' src/daemon/$$unit.service.in >$(BUILD)/$$unit.service && \
		install -m 644 $(BUILD)/$$unit.service src/daemon/$$unit.socket $(DESTDIR)$(UNITDIR) || exit 1; done
	sed 's|@PREFIX@|$(PREFIX)|' src/daemon/aigwd-drain.service.in >$(BUILD)/aigwd-drain.service
	install -m 644 $(BUILD)/aigwd-drain.service $(DESTDIR)$(UNITDIR)
	install -m 644 $(BUILD)/libaigw.so $(D)/lib/aigw/libaigw.so
	install -d $(D)/lib/aigw/modules
	for module in $(MODULES); do \
		install -m 644 $(BUILD)/modules/aigw-sink-$$module.so $(D)/lib/aigw/modules || exit 1; done
	install -m 644 $(SHARED) $(D)/share/aigw
	install -m 644 $(wildcard policy/examples/*.json) $(D)/share/aigw/examples
	install -m 644 $(DOCS) $(D)/share/doc/aigw
	install -m 644 $(MAN1) $(D)/share/man/man1
	install -m 644 $(MAN5) $(D)/share/man/man5
	install -m 644 $(MAN7) $(D)/share/man/man7
	install -m 644 $(MAN8) $(D)/share/man/man8
	install -d $(D)/lib/systemd/user
	for unit in $(USER_UNITS); do sed 's,@PREFIX@,$(PREFIX),' $$unit > $(D)/lib/systemd/user/$${unit##*/} && \
		chmod 644 $(D)/lib/systemd/user/$${unit##*/} || exit 1; done

uninstall: ## remove exactly what install put there
	rm -f $(D)/bin/aigw $(D)/bin/aigwd $(UNITS:%=$(DESTDIR)$(UNITDIR)/%) $(D)/lib/aigw/libaigw.so \
		$(MODULES:%=$(D)/lib/aigw/modules/aigw-sink-%.so) $(SHARED:policy/%=$(D)/share/aigw/%) \
		$(patsubst policy/%,$(D)/share/aigw/%,$(wildcard policy/examples/*.json)) \
		$(foreach f,$(DOCS),$(D)/share/doc/aigw/$(notdir $(f))) \
		$(USER_UNITS:systemd/user/%=$(D)/lib/systemd/user/%) \
		$(MAN1:docs/man/%=$(D)/share/man/man1/%) $(MAN5:docs/man/%=$(D)/share/man/man5/%) \
		$(MAN7:docs/man/%=$(D)/share/man/man7/%) $(MAN8:docs/man/%=$(D)/share/man/man8/%)
	@# directories that are empty now, never DESTDIR itself
	-cd $(or $(DESTDIR),/) && rmdir -p --ignore-fail-on-non-empty $(patsubst /%,%,$(addprefix $(PREFIX)/,bin lib/aigw/modules lib/systemd/user \
		share/aigw/examples share/doc/aigw share/man/man1 share/man/man5 share/man/man7 share/man/man8) \
		$(UNITDIR)) 2>/dev/null

help: ## this list
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  \1 ## \2/p' $(MAKEFILE_LIST) | awk -F ' ## ' '{ printf "%-12s %s\n", $$1, $$2 }'

clean: ## remove everything that was built
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-fuzz $(BUILD)-cov $(BUILD)-afl $(BUILD)-tsan

# Everything that a change of these must rebuild.
$(OBJ) $(SHIM:%.c=$(BUILD)/%.o): Makefile

.PHONY: all analyze tests-build unit-build unit e2e check lint lint-files tidy-files fuzz fuzz-coverage packages-build packages-demo packages-check packages-analyze packages-coverage packages-bench node-clients syslog-servers fuzz-files tsan valgrind \
	demo bench soak install uninstall help clean
.DELETE_ON_ERROR:
.SECONDARY:
