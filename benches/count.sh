#!/usr/bin/env bash
# Instructions per step of the hot path at (256, 256), as callgrind counts them: seconds are too noisy to show a slow-down of a tenth.
# Two runs of different lengths, their difference: so whatever happens before the first step cancels.
#
#   benches/count.sh            counts, prints each beside benches/instructions.txt, fails where one is more than 20 % above
#   benches/count.sh --record   counts, and writes them there
# Paths that are named after that are counted alone: benches/count.sh --record every_alif
set -euo pipefail
cd "$(dirname "$0")/.."

recorded=benches/instructions.txt
few=2 many=7 steps_each=200
paths=(
    infer sequence every every8
    sequence_limited every_limited sequence_auto every_auto
    infer_alif sequence_alif every_alif every_alif_limited every_alif_auto
    sequence_horizon50 sequence_horizon
    every_taus every_current
    infer_delay sequence_delay every_delay
    sequence_momentum every_momentum sequence_adam every8_adam
)

record=
if [ "${1-}" = --record ]; then
    record=yes
    shift
fi
if [ $# -gt 0 ]; then
    paths=("$@")
fi

if ! command -v valgrind >/dev/null; then
    echo "skipped: valgrind is not installed"
    exit 0
fi

cargo build --release --quiet -p eprop-benches --bin engine
engine=${CARGO_TARGET_DIR:-target}/release/engine

instructions() {  # WHAT REPEATS
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$engine" count "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

count() {  # WHAT
    local more less
    more=$(instructions "$1" "$many")
    less=$(instructions "$1" "$few")
    echo "$1 $(((more - less) / ((many - few) * steps_each)))"
}

# One path on each core: a count does not depend on what else runs.
all=$(mktemp) counts=$(mktemp)
trap 'rm -f "$all" "$counts"' EXIT
export engine few many steps_each
export -f instructions count
printf '%s\n' "${paths[@]}" | xargs -P "$(nproc)" -I{} bash -euo pipefail -c 'count {}' >"$all"
for what in "${paths[@]}"; do
    grep "^$what " "$all"
done >"$counts"

if [ "$record" ]; then
    # Lines keep their place; what is new comes last.
    merged=$(awk '
        NR == FNR { count[$1] = $2; order[++n] = $1; next }
        /^#/ { print; next }
        { print $1, $1 in count ? count[$1] : $2; delete count[$1] }
        END { for (k = 1; k <= n; k++) if (order[k] in count) print order[k], count[order[k]] }
    ' "$counts" "$recorded")
    echo "$merged" >"$recorded"
fi

awk '
    /^#/ { next }
    NR == FNR { before[$1] = $2; next }
    {
        if (!($1 in before)) { print $1, $2, "instructions per step, not recorded"; next }
        more = 100 * ($2 / before[$1] - 1)
        printf "%-22s %7d instructions per step, recorded %7d, %+.1f %%\n", $1, $2, before[$1], more
        if (more > 20) { slower = 1 }
    }
    END { exit slower }
' "$recorded" "$counts"
