#!/usr/bin/env bash
# The end-to-end tests: the built gateway, the official SDKs, real llama.cpp. Arguments go to pytest.
# With --heavy first, only the tests that `make test-all` adds.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
marked="not heavy"
if [ "${1:-}" = --heavy ]; then
    marked="heavy"
    shift
fi
exec timeout 1200 .venv/bin/python -m pytest -c Tests/EndToEnd/pytest.ini -m "$marked" Tests/EndToEnd "$@"
