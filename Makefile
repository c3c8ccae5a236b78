# usher: build, install, try, test. `make help` lists what there is.
# SPDX-License-Identifier: GPL-2.0-only

PREFIX ?= /usr/local
DESTDIR ?=
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= bpftool
B := build
# What make itself calls make for is made on all processors, unless it was told how many.
AT_ONCE = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

LIBS := libbpf libxdp libnl-3.0 libnl-route-3.0 json-c libssl libcrypto libcurl libmicrohttpd libcap-ng libseccomp libmaxminddb libcares libzstd rdkafka
WARN := -Wall -Wextra -Wshadow -Wconversion -Werror
CPPFLAGS += -Iinclude -Iuser -isystem $(B) -D_GNU_SOURCE $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
CFLAGS ?= -O2 -g
CFLAGS += -std=gnu11 $(WARN) -fno-strict-aliasing
LDLIBS += $(shell pkg-config --libs $(LIBS) 2>/dev/null) -lm -lpthread
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Wshadow -Werror -Iinclude -Ibpf \
	-I/usr/include/$(shell $(CC) -print-multiarch)

# ---- what there is -----------------------------------------------------------------------------------------

MAINS := user/daemon/main.c user/cli/main.c
LIB_OBJ := $(patsubst %.c,$(B)/%.o,$(filter-out $(MAINS),$(wildcard user/*/*.c)))
UNIT_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*/test_*.c))
# A directory under tests/ with a main.c is one program; a *.bpf.c in it becomes a skeleton that it may include.
TEST_PROGRAMS := $(patsubst tests/%/main.c,$(B)/tests/%.test,$(wildcard tests/*/main.c))
BENCHES := $(patsubst tests/bench/%.c,$(B)/tests/bench/%.bench,$(filter-out %.bpf.c,$(wildcard tests/bench/*.c)))
# The same under tests/bench/.
BENCH_PROGRAMS := $(patsubst tests/bench/%/main.c,$(B)/tests/bench/%.bench,$(wildcard tests/bench/*/main.c))
# What the bench of the whole path puts at both ends.
PATH_PROGRAMS := $(patsubst %,$(B)/tests/bench/path/%,load serve send)
TEST_SKELETONS := $(patsubst %.bpf.c,$(B)/%.skel.h,$(wildcard tests/*/*.bpf.c tests/bench/*/*.bpf.c))
FUZZERS := $(patsubst %.c,$(B)/%.fuzz,$(wildcard tests/fuzz/*.c))
FUZZ_CFLAGS := -std=gnu11 -O2 -g $(WARN) -fsanitize=fuzzer,address,undefined -fno-sanitize=alignment \
	-fno-sanitize-recover=all

.PHONY: all tests kernels-objects demo test test-kernels test-model fuzz fuzzers bench benches lint linted install clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/usherd $(B)/usher ## build the daemon and the command (no root needed)

tests: all $(UNIT_TESTS) $(TEST_PROGRAMS) $(PATH_PROGRAMS) $(B)/tests/unit/kernel/neighbour.bpf.o $(B)/tests/lab/broker ## build the tests without running them

# ---- kernel ------------------------------------------------------------------------------------------------

$(B)/%.bpf.o: %.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@
	@llvm-strip -g $@

# The same by each compiler that it has to stand, for test-kernels.
CLANG_VERSIONS := 14 16 19
CLANG_OBJECTS := $(patsubst %,$(B)/clang-%/usher.bpf.o,$(CLANG_VERSIONS))

$(CLANG_OBJECTS): $(B)/clang-%/usher.bpf.o: bpf/usher.bpf.c
	@mkdir -p $(@D)
	clang-$* $(BPF_CFLAGS) -MMD -MP -c $< -o $@
	@llvm-strip -g $@

# What the laboratory in an emulated machine is made of.
$(B)/tests/vm/xdp_pass.o: scripts/lab.d/xdp_pass.bpf.c
	@mkdir -p $(@D)
	$(CLANG) -O2 -Wall -Werror -target bpf -c $< -o $@

$(B)/tests/vm/stream: $(B)/tests/vm/stream.o
	$(CC) $(LDFLAGS) $^ -o $@

kernels-objects: $(CLANG_OBJECTS) $(B)/tests/vm/stream $(B)/tests/vm/xdp_pass.o

$(B)/usher.skel.h: $(B)/bpf/usher.bpf.o
	$(BPFTOOL) gen skeleton $< name usher_bpf > $@

$(B)/dispatcher.skel.h: $(B)/bpf/dispatcher.bpf.o
	@# libbpf remarks on the section that only libxdp reads.
	$(BPFTOOL) gen skeleton $< name dispatcher_bpf 2>$(B)/dispatcher.said > $@ || { cat $(B)/dispatcher.said; exit 1; }

$(B)/tests/%.skel.h: $(B)/tests/%.bpf.o
	$(BPFTOOL) gen skeleton $< name $(subst -,_,$(notdir $*))_bpf > $@

# ---- user space --------------------------------------------------------------------------------------------

# -MD, not -MMD: the skeleton is included as a system header, and must be rebuilt with all that embeds it.
$(B)/%.o: %.c | $(B)/usher.skel.h $(B)/dispatcher.skel.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MD -MP -c $< -o $@

$(B)/libusher.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/usherd: $(B)/user/daemon/main.o $(B)/libusher.a
	$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(B)/usher: $(B)/user/cli/main.o $(B)/libusher.a
	$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

# ---- tests -------------------------------------------------------------------------------------------------

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libusher.a
	$(CC) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@

$(filter $(B)/tests/%.o,$(patsubst %.c,$(B)/%.o,$(filter-out %.bpf.c,$(wildcard tests/*/*.c tests/bench/*/*.c)))): $(TEST_SKELETONS)

define TEST_PROGRAM
$(B)/tests/$(1).test: $(patsubst %.c,$(B)/%.o,$(filter-out %.bpf.c,$(wildcard tests/$(1)/*.c))) $(B)/libusher.a
	$$(CC) $$(LDFLAGS) $$^ $$(LDLIBS) -o $$@
endef
$(foreach program,$(patsubst tests/%/main.c,%,$(wildcard tests/*/main.c)),$(eval $(call TEST_PROGRAM,$(program))))

# What records are sent to where no real one is at hand.
$(B)/tests/lab/broker: $(B)/tests/lab/broker.o
	$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(B)/tests/flood.test: LDLIBS += -lcmocka

# What a cut frame must come to is read by the model's parser; both can run what another compiler has made.
$(B)/tests/vectors.test: $(B)/tests/model/wire.o $(B)/tests/model/frame.o $(B)/tests/model/object.o

$(B)/tests/bench/%.bench: $(B)/tests/bench/%.o $(B)/libusher.a
	$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

# A connection beside a flood is measured as a packet is.
$(B)/tests/bench/flood.bench: $(patsubst %,$(B)/tests/bench/packet/%.o,gateway meter report rows)
$(B)/tests/bench/audit.bench: $(patsubst %,$(B)/tests/bench/packet/%.o,gateway meter)

define BENCH_PROGRAM
$(B)/tests/bench/$(1).bench: $(patsubst %.c,$(B)/%.o,$(filter-out %.bpf.c,$(wildcard tests/bench/$(1)/*.c))) $(B)/libusher.a
	$$(CC) $$(LDFLAGS) $$(filter %.o,$$^) $(B)/libusher.a $$(LDLIBS) -o $$@
endef
$(foreach program,$(patsubst tests/bench/%/main.c,%,$(wildcard tests/bench/*/main.c)),$(eval $(call BENCH_PROGRAM,$(program))))

$(PATH_PROGRAMS): %: %.o
	$(CC) $(LDFLAGS) $^ -o $@

benches: all $(BENCHES) $(BENCH_PROGRAMS) $(PATH_PROGRAMS)

demo: ## tell the story on a laboratory of network namespaces (root; KEEP=1 leaves it running)
	@scripts/packages build lab
	@$(MAKE) --no-print-directory -s $(AT_ONCE) all
	@KEEP=$(KEEP) scripts/demo

test: ## unit, packet-vector, differential and laboratory tests (root)
	@scripts/packages build lab test bench
	@$(MAKE) --no-print-directory -s $(AT_ONCE) tests
	@tests/run $(SUITES)

test-kernels: ## kernels (Debian's 6.1 and 6.12 in QEMU, the host's) x compilers (clang 14, 16, 19): root
	@scripts/packages build test vm
	@$(MAKE) --no-print-directory -s $(AT_ONCE) tests kernels-objects
	@tests/run vm

# The parser that packets meet, and the one that the model has of its own. Packets are not aligned, and need not be.
$(B)/tests/fuzz/%.fuzz: tests/fuzz/%.c tests/model/wire.c tests/model/frame.c $(wildcard bpf/*.h include/usher/*.h tests/model/*.h tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(CLANG) -Iinclude -D_GNU_SOURCE $(FUZZ_CFLAGS) $(filter %.c,$^) -o $@

# Without what comparisons tell the fuzzer, some ten times as many executions: after those that it has steered.
SWEEPERS := $(patsubst %,$(B)/tests/fuzz/%.sweep,exposition series promreply members)
$(SWEEPERS): FUZZ_CFLAGS += -fno-sanitize-coverage=trace-cmp

# What the edge reads. The files of the tree that it takes, and no library.
$(B)/tests/fuzz/exposition.fuzz $(B)/tests/fuzz/exposition.sweep: tests/fuzz/exposition.c $(patsubst %,user/edge/%.c,exposition sample_line families decimal telemetry telemetry_presets) $(wildcard user/edge/*.h user/base/array.h tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(CLANG) -Iinclude -Iuser -D_GNU_SOURCE $(FUZZ_CFLAGS) $(filter %.c,$^) -lm -o $@

$(B)/tests/fuzz/series.fuzz $(B)/tests/fuzz/series.sweep: tests/fuzz/series.c $(patsubst %,user/edge/%.c,exposition sample_line families decimal series) $(wildcard user/edge/*.h tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(CLANG) -Iinclude -Iuser -isystem $(B) -D_GNU_SOURCE $(FUZZ_CFLAGS) $(filter %.c,$^) -lm -o $@

# Its replies are read by json-c, which is not built for it.
$(B)/tests/fuzz/promreply.fuzz $(B)/tests/fuzz/promreply.sweep: tests/fuzz/promreply.c $(patsubst %,user/edge/%.c,promreply decimal series) $(wildcard user/edge/*.h tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(CLANG) -Iinclude -Iuser -isystem $(B) -D_GNU_SOURCE $(FUZZ_CFLAGS) $(filter %.c,$^) -ljson-c -lm -o $@

$(B)/tests/fuzz/identity.fuzz: tests/fuzz/identity.c user/edge/identity.c $(wildcard user/edge/*.h tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(CLANG) -Iinclude -Iuser -isystem $(B) -D_GNU_SOURCE $(FUZZ_CFLAGS) $(filter %.c,$^) -ljson-c -lm -o $@

# All of the policy's parser, since it is what reads them.
$(B)/tests/fuzz/members.fuzz $(B)/tests/fuzz/members.sweep: tests/fuzz/members.c $(wildcard user/policy/*.c user/base/*.c user/policy/*.h user/base/*.h tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(FUZZ_CFLAGS) $(filter %.c,$^) -ljson-c -lcrypto -lm -o $@

# All that reads the log, and what that is made of; zstd and OpenSSL are not built for it. Beside it: what reads evidence, and what sends lines on.
LOG_READERS := $(patsubst %,user/audit/%.c,chain community_id filter gaps head hole keyring line query record replay retention segment sequences signer veil verifier verify witness)
LOG_FUZZERS := $(patsubst %,$(B)/tests/fuzz/%.fuzz,segment evidence reader)
$(B)/tests/fuzz/segment.fuzz: tests/fuzz/segment.c
$(B)/tests/fuzz/evidence.fuzz: tests/fuzz/evidence.c $(patsubst %,user/audit/%.c,evidence_form evidence_policies evidence_verify verify_excerpt)
$(B)/tests/fuzz/reader.fuzz: tests/fuzz/reader.c $(patsubst %,user/ship/%.c,cursor reader)
$(LOG_FUZZERS): $(LOG_READERS) $(wildcard user/base/*.c user/policy/*.c user/compile/*.c user/govern/*.c user/*/*.h tests/fuzz/*.h)
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(FUZZ_CFLAGS) $(filter %.c,$^) -ljson-c -lcrypto -lzstd -lm -o $@

fuzzers: $(FUZZERS) $(SWEEPERS)

test-model: ## program against model, 20 million packets (MODEL_POLICIES=2000, MODEL_PACKETS=10000; root)
	@scripts/packages build test
	@$(MAKE) --no-print-directory -s $(AT_ONCE) $(B)/tests/model.test
	@MODEL_POLICIES=$(or $(MODEL_POLICIES),2000) MODEL_PACKETS=$(or $(MODEL_PACKETS),10000) $(B)/tests/model.test

fuzz: ## the parsers of packets, metrics pages, Prometheus' replies, backends' identities and members of pools, checksums, and what reads the audit log and evidence, under libFuzzer and sanitizers: 10^8 executions each, those of pages, replies and members after ten minutes that are steered, but ten minutes of the last two (FUZZ_SECONDS=60: a minute each)
	@scripts/packages build fuzz
	@$(MAKE) --no-print-directory -s $(AT_ONCE) fuzzers
	@tests/fuzz/run

bench: ## what things cost, as ratios within one run (root; QUICK=1: under 2 minutes)
	@scripts/packages build bench
	@$(MAKE) --no-print-directory -s $(AT_ONCE) benches
	@for bench in $(if $(QUICK),,$(BENCHES)); do echo "$$(basename $$bench .bench):"; $$bench; done
	@mkdir -p tests/bench/results
	@$(if $(QUICK),$(B)/tests/bench/archive.bench --quick)
	@$(B)/tests/bench/audit.bench $(if $(QUICK),1 300000,| tee tests/bench/results/audit.txt)
	@$(B)/tests/bench/publish.bench $(if $(QUICK),--quick,| tee tests/bench/results/publish.txt)
	@$(B)/tests/bench/packet.bench $(if $(QUICK),--quick,--results tests/bench/results)
	@$(if $(QUICK),$(B)/tests/bench/flood.bench --quick,{ $(B)/tests/bench/flood.bench; tests/bench/path/flood; } | tee tests/bench/results/flood.txt)
	@tests/bench/path/run $(if $(QUICK),--quick,--results tests/bench/results)

lint: ## format, static analysis, include order
	@scripts/packages build test lint
	@$(MAKE) --no-print-directory -s $(AT_ONCE) linted

# Apart from lint, because its flags are known only when the packages are there.
linted: $(B)/usher.skel.h $(B)/dispatcher.skel.h $(TEST_SKELETONS)
	@B='$(B)' CPPFLAGS='$(CPPFLAGS)' CFLAGS='$(CFLAGS)' BPF_CFLAGS='$(BPF_CFLAGS)' tests/lint/run

install: all ## into $(DESTDIR)$(PREFIX)
	install -D -m 0755 $(B)/usherd $(DESTDIR)$(PREFIX)/sbin/usherd
	install -D -m 0755 $(B)/usher $(DESTDIR)$(PREFIX)/bin/usher
	install -D -m 0644 policies/schema.json $(DESTDIR)$(PREFIX)/share/usher/schema.json
	install -d $(DESTDIR)$(PREFIX)/share/usher/examples
	install -m 0644 policies/examples/*.json policies/examples/*.csv $(DESTDIR)$(PREFIX)/share/usher/examples/
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man8 scripts/man/usher.8 scripts/man/usherd.8
	install -D -m 0644 scripts/completion/usher $(DESTDIR)$(PREFIX)/share/bash-completion/completions/usher
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|' scripts/systemd/usherd.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/usherd.service

clean: ## remove what was built
	rm -rf $(B)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
