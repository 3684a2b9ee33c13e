#!/usr/bin/env bash
# Builds the staticlib, links it with the C compiler, runs the program.
set -euo pipefail
cd "$(dirname "$0")"
cargo build --release --locked
"${CC:-cc}" -O1 -Wall -Wextra -Werror -o target/no_std main.c target/release/libeprop_no_std.a
target/no_std
