# Runs the fuzz targets that the preset `fuzz` has built. Sourced by scripts/test; docs/fuzzing.md
# tells people the rest.
#
#   run_fuzz RUNS SECONDS   each target for RUNS executions, or SECONDS if those end first; two targets
#                           at a time, the slow ones beside the quick ones

fuzz_pairs=("snapshot row" "spool regex" "frame answers" "conversation segment")

# What was found once, then the seeds and what later inputs grew from them, then new inputs.
fuzz_one() {  # TARGET RUNS SECONDS
    local target=$1 runs=$2 seconds=$3 begun=$SECONDS
    local program="build/fuzz/tests/fuzz/fuzz_$target" log="build/fuzz/$target.log"
    local known=() dictionary=() size_max=4096
    case "$target" in
        regex | answers | conversation) size_max=256 ;;  # long ones take long and find no more
        spool | segment) size_max=1024 ;;                # some 60 frames; more only take longer
    esac
    if [ -d "tests/fuzz/regressions/$target" ]; then
        known=("tests/fuzz/regressions/$target"/*)
    fi
    if [ -e "tests/fuzz/$target.dict" ]; then
        dictionary=("-dict=tests/fuzz/$target.dict")
    fi
    mkdir -p "build/fuzz/corpus/$target" "build/fuzz/found"
    export ASAN_OPTIONS=malloc_context_size=4
    if ! { { [ ${#known[@]} -eq 0 ] || "$program" -timeout=60 "${known[@]}"; } &&
        "$program" -runs="$runs" -max_total_time="$seconds" -timeout=60 -max_len="$size_max" -entropic=0 \
            -print_final_stats=1 "${dictionary[@]}" -artifact_prefix="build/fuzz/found/$target-" \
            "build/fuzz/corpus/$target" "tests/fuzz/seeds/$target"; } >"$log" 2>&1; then
        grep -E 'broken promise|Assertion|ERROR|SUMMARY|runtime error' "$log" | head -n 6 || true
        sed -n 's/^.*Test unit written to /fuzz '"$target"': the input is in /p' "$log"
        echo "fuzz $target: FAILED; all of it in $log"
        return 1
    fi
    local done_runs coverage
    done_runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    coverage=$(sed -n 's/^#[0-9]*[[:space:]]*DONE .*cov: \([0-9]*\).*/\1/p' "$log")
    echo "fuzz $target: ran ${done_runs:-none} of $runs in $((SECONDS - begun)) s, coverage ${coverage:-unknown}"
    [ -n "$done_runs" ]
}

run_fuzz() {  # RUNS SECONDS
    local pair target jobs job failed=0
    for pair in "${fuzz_pairs[@]}"; do
        jobs=()
        for target in $pair; do
            fuzz_one "$target" "$1" "$2" &
            jobs+=($!)
        done
        for job in "${jobs[@]}"; do
            wait "$job" || failed=1
        done
    done
    return "$failed"
}
