#!/usr/bin/env bash
# Builds and runs the classifier benchmark; LITELLM_PYTHON is a Python that can import LiteLLM, where there is one.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
say "building the benchmark (release)"
swift build -c release --static-swift-stdlib --product bench-classifier
if [ -x .venv-bench/bin/python ]; then export LITELLM_PYTHON=$root/.venv-bench/bin/python; fi
exec "$(swift build -c release --show-bin-path)/bench-classifier" "$@"
