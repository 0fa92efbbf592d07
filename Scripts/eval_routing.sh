#!/usr/bin/env bash
# Builds and runs the evaluation of routing decisions on measured outcomes.
# Usage: eval_routing.sh [FOLDER]   with train.jsonl, dev.jsonl and tiers.json; default: ../shared/data/routing
set -euo pipefail
source "$(dirname "$0")/lib.sh"
data=${1:-../shared/data/routing}
for name in train.jsonl dev.jsonl tiers.json; do
    [ -f "$data/$name" ] || fail "$data/$name is not there: name the folder of outcomes, make eval-routing DATA=FOLDER"
done
say "building the evaluation (release)"
swift build -c release --static-swift-stdlib --product eval-routing
if [ -x .venv-bench/bin/python ]; then export LITELLM_PYTHON=$root/.venv-bench/bin/python; fi
exec "$(swift build -c release --show-bin-path)/eval-routing" --data "$data"
