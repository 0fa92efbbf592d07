#!/usr/bin/env bash
# The end-to-end tests: the built gateway, the official SDKs, real llama.cpp. Arguments go to pytest.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
exec timeout 1800 .venv/bin/python -m pytest -c Tests/EndToEnd/pytest.ini Tests/EndToEnd "$@"
