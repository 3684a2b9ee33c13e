#!/usr/bin/env bash
# Builds the program for the desk and for a Cortex-M4F, runs both, and compares what they say to the bit.
set -euo pipefail
cd "$(dirname "$0")"
target=thumbv7em-none-eabihf

skip() { echo "examples/device: skipped, $1"; exit 0; }

cargo build --profile desk --locked --bin desk
target/desk/desk > target/desk.txt

libraries="$(rustc --print sysroot)/lib/rustlib/$target/lib"
[ -d "$libraries" ] || rustup target add "$target" 2>/dev/null || true
[ -d "$libraries" ] || skip "since $target cannot be added"
cargo build --release --locked --bin mcu --features mcu --target "$target"
program="target/$target/release/mcu"

flash=0 ram=0
while read -r address memory flags; do
  bytes=$((16#$memory))
  case "$address $flags" in
    *A*) if [ $((16#$address)) -lt $((0x20000000)) ]; then flash=$((flash + bytes)); else ram=$((ram + bytes)); fi ;;
  esac
done < <(readelf -SW "$program" | sed 's/^ *\[ *[0-9]*\]//' | awk '$2 ~ /PROGBITS|NOBITS|ARM_EXIDX/ && $7 ~ /A/ { print $3, $5, $7 }')
echo "flash $flash bytes, RAM $ram bytes, of which the arena is 98304"

command -v qemu-system-arm >/dev/null || skip "since qemu-system-arm is not installed"
timeout 300 cargo run --release --locked --bin mcu --features mcu --target "$target" > target/mcu.txt
cat target/mcu.txt
# Lines with # are of the board alone; the bytes of a plan depend on how long an address is.
diff <(grep -v '^plan' target/desk.txt) <(grep -v '^plan\|^#' target/mcu.txt)
echo "the microcontroller says what the desk says, to the bit"
