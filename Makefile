# logboom. One Makefile, no configure step, nothing written outside build/ (and var/, by `make run`).
#
#   make [BUILD=release|debug|asan|tsan|cov|fuzz]   everything lands in build/$(BUILD)/
#   make help                                       what else there is

NAME    := logboom
VERSION := $(or $(shell git describe --tags --always --dirty 2>/dev/null),0.0.0)
PREFIX  ?= /usr/local
BUILD   ?= release
OUT     := build/$(BUILD)
LB_CORPUS ?= ../shared/corpus
export LB_CORPUS

# --- Compiler flags ----------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wvla -Wformat=2 -Wcast-align -Wwrite-strings -Wimplicit-fallthrough -Werror

MODE.release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
MODE.debug   := -O0 -g3
MODE.asan    := -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
MODE.tsan    := -O1 -g1 -fsanitize=thread
MODE.cov     := -O0 -g --coverage
MODE.fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all

MODE := $(MODE.$(BUILD))
$(if $(MODE),,$(error BUILD=$(BUILD) is not one of release debug asan tsan cov fuzz))

PACKAGES := libevent libevent_pthreads libevent_openssl libcurl rdkafka libpcre2-8 libzstd yaml-0.1 libxxhash libcrypto libssl msgpack libsystemd zlib
STD      := -std=c17 -D_GNU_SOURCE -Iinclude
ALL_CFLAGS = $(STD) -pthread $(WARN) $(MODE) $(shell pkg-config --cflags $(PACKAGES)) $(CFLAGS)
LDLIBS   := $(shell pkg-config --libs $(PACKAGES)) -lm

# --- Files: a new .c file in a stage folder is picked up by itself ------------

STAGES := core ingest parse route sinks conf cli
TESTS  := $(wildcard $(STAGES:%=%/*_test.c) tests/property/*.c)
SRC    := $(filter-out %_test.c cli/main.c,$(wildcard $(STAGES:%=%/*.c)))

BIN     := $(OUT)/$(NAME)
LIB     := $(OUT)/lib$(NAME).a
TESTBIN := $(TESTS:%.c=$(OUT)/%)
BENCH   := $(patsubst %.c,$(OUT)/%,$(wildcard tests/bench/*.c))
FUZZ    := $(patsubst %.c,$(OUT)/%,$(wildcard tests/fuzz/*.c))
FAULTS  := $(OUT)/tests/faults/kafka_mock $(addprefix $(OUT)/tests/faults/,shim.so pauses.so mallocs.so)

# --- Build ---------------------------------------------------------------------

.PHONY: all deps bench-programs fault-programs
all: $(BIN)   ## build the daemon (default)

$(BIN): $(OUT)/cli/main.o $(LIB)
$(TESTBIN): LDLIBS += -lcmocka
$(TESTBIN) $(BENCH): $(OUT)/%: $(OUT)/%.o $(LIB)
$(BIN) $(TESTBIN) $(BENCH):
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(FUZZ): $(OUT)/%: $(OUT)/%.o $(LIB)
	$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(OUT)/tests/faults/kafka_mock: $(OUT)/tests/faults/kafka_mock.o
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# No sanitizer, no fortified names: it is loaded into whatever runs.
$(OUT)/tests/faults/%.so: tests/faults/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(STD) $(WARN) -O2 -g -fPIC -shared -o $@ $< -ldl

$(LIB): $(SRC:%.c=$(OUT)/%.o)
	rm -f $@ && $(AR) rcs $@ $^

$(OUT)/tests/%.o $(OUT)/%_test.o: STD += -Itests/harness -I.

$(OUT)/cli/command_version.o: STD += -DLB_VERSION='"$(VERSION)"'

$(OUT)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
.SECONDARY:
.DELETE_ON_ERROR:

# --- Check ---------------------------------------------------------------------

PYTHON ?= /usr/bin/python3
JOBS   := $(shell nproc)

.PHONY: run test unit tests bench bench-alerts bench-archive bench-grep bench-peers conformance crash crash-faults crash-power losses fuzz fuzz-run lint fmt
run:   ## install what it needs, build, and show the main job at work under ./var
	@tests/deps.sh build && $(MAKE) --no-print-directory all && tests/demo.sh $(BIN)

test:   ## everything: release suite, unit and property tests under ASan+UBSan and TSan, the short crash loop
	tests/deps.sh
	@{ tests/kafka.sh fetch; tests/peers.sh fetch; } >/dev/null 2>&1 & # while it compiles; whoever needs them waits for it
	$(MAKE) --no-print-directory -j$(JOBS) all tests bench-programs fault-programs
	$(MAKE) --no-print-directory -j$(JOBS) BUILD=asan tests
	$(MAKE) --no-print-directory -j$(JOBS) BUILD=tsan tests
	$(PYTHON) tests/run.py release asan tsan --integration

tests: $(TESTBIN)
bench-programs: $(BENCH)
fault-programs: $(FAULTS)
unit: $(TESTBIN)   ## unit and property tests of this BUILD
	$(PYTHON) tests/run.py $(BUILD)

bench: all bench-programs fault-programs   ## CPU seconds of the three loads, what each source costs, and the small benchmarks
	@for b in $(filter-out %/load %/seal,$(BENCH)); do $$b || exit 1; done
	$(PYTHON) tests/bench/sources.py
	$(PYTHON) tests/bench/peers.py --only logboom
bench-archive: all bench-programs   ## SIZE (256MiB) of realistic lines sealed: speed, size, share of the index; DIR keeps the archives
	$(OUT)/tests/bench/bench_archive $(or $(SIZE),256MiB) $(DIR)
bench-peers: all bench-programs   ## the same work by rsyslog and syslog-ng (and fluent-bit, vector on PATH), with ratios
	tests/peers.sh >/dev/null
	$(PYTHON) tests/bench/peers.py
bench-alerts: all bench-programs   ## how soon people are told of an alert at 50,000 lines/s, and what 200 rules and a million keys cost
	$(PYTHON) tests/bench/alerts.py
bench-grep: all bench-programs   ## logboom grep, zstdcat | grep and rg -z over the same archive, with ratios
	$(PYTHON) tests/bench/grep.py

conformance: all   ## every case of the log corpus (LB_CORPUS) through the binary, and a table of what was right; ONLY=folder
	LB_BIN=$(BIN) $(PYTHON) tests/conformance/run.py $(if $(ONLY),--only $(ONLY))

N ?= 20
TRIAL = LB_CRASHES=$(N) $(PYTHON) -m pytest -q -s -p no:cacheprovider tests/integration
crash: all fault-programs   ## kill -9 and restart N (20) times; every line exactly once in the archive
	$(TRIAL)/test_crash.py
crash-faults: all fault-programs   ## the same on a disk that fails
	$(TRIAL)/test_faults.py
crash-power: all fault-programs   ## the same, and each time the power may fail
	$(TRIAL)/test_power.py
losses: all fault-programs   ## what others were measured to lose, in the long form, and a table
	LB_LONG=1 $(TRIAL)/test_losses.py

fuzz:   ## each fuzzer for SECONDS (60) with clang
	$(MAKE) BUILD=fuzz CC=clang fuzz-run
fuzz-run: $(FUZZ)
	@for f in $(FUZZ); do mkdir -p $$f.corpus && \
	 $$f -artifact_prefix=$(OUT)/ -max_total_time=$(or $(SECONDS),60) $$f.corpus $$(ls -d tests/data/$$(basename $$f)) || exit 1; done

EVERY_C := $(shell find $(STAGES) include tests -name '*.[ch]' | sort -u)
.PHONY: lint-format lint-headers lint-tidy lint-cppcheck
lint: lint-format lint-headers lint-tidy lint-cppcheck   ## format, include rules, clang-tidy (function size, complexity), cppcheck
lint-format:
	@clang-format --dry-run --Werror $(EVERY_C)
lint-headers: # folders meet only in include/, and each header stands alone
	@! grep -n '#include "\.\./' $(EVERY_C)
	@for h in include/*.h; do $(CC) $(STD) -fsyntax-only -Werror -x c $$h || exit 1; done
lint-tidy:
	@printf '%s\n' $(SRC) cli/main.c | xargs -P 2 -n 4 tests/tidy.sh $(STD) -DLB_VERSION='"0"' --
lint-cppcheck:
	@cppcheck --quiet --error-exitcode=1 --enable=warning,portability --suppress=varFuncNullUB --inline-suppr -Iinclude $(SRC) cli/main.c
fmt:   ## format every file in place
	clang-format -i $(EVERY_C)

# --- Ship ----------------------------------------------------------------------

.PHONY: install clean help
install: all   ## install under $(DESTDIR)$(PREFIX)
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/$(NAME)
	install -D -m 644 conf/dist/lnav/logboom.json $(DESTDIR)$(PREFIX)/share/$(NAME)/lnav/logboom.json
	install -D -m 644 conf/dist/$(NAME).sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/$(NAME).conf
	for unit in $(NAME).service $(NAME).socket $(NAME)-recover.service; do \
	 sed 's|/usr/bin/|$(PREFIX)/bin/|' conf/dist/$$unit | \
	 install -D -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit 1; done

clean:   ## remove build/
	rm -rf build

help:   ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20
