#!/usr/bin/env bash
# The second walk: the sample, and sweeps with `dvc exp`, as docs/sweeps.md has it.
. "$(dirname "$0")/walk.sh"
git clone -q "$project" "$work/fer-dag"
cd "$work/fer-dag"

step 'make setup'
step '. .venv/bin/activate'
reduce
step 'fer run'
step 'fer results'
step 'dvc dag --collapse-foreach-matrix student'
step 'dvc exp run --temp -n hotter -S student.kd.temperature=4 student@kd-1337'
step "dvc exp show --only-changed --md --drop 'data/(?!.*val.json).*|fer_core/.*|State|Executor'"
step 'dvc exp run --queue -S student.kd.temperature=2,3 student@kd-1337'
step 'dvc exp run --run-all'
step "dvc exp show --only-changed --md --drop 'data/(?!.*val.json).*|fer_core/.*|State|Executor'"
step 'dvc exp apply hotter'
step 'fer run'
step 'dvc metrics diff'
step 'dvc plots diff HEAD'
step 'fer verify'
finish
