#!/usr/bin/env bash
# How many small faults of a room its tests find: experiments/mutation.sh ROOM [SAMPLE] [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."
exec nice -n 10 python experiments/mutation/run.py "$@"
