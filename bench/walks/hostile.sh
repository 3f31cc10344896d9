#!/usr/bin/env bash
# The third walk: a clone on a machine that is not as it should be, as docs/hostile.md has it.
. "$(dirname "$0")/walk.sh"
export ORIGIN=$project

step 'umask 077'
step 'git clone --quiet --config core.autocrlf=true "$ORIGIN" ~/übung/fer-dag'
step 'cd ~/übung/fer-dag'
step 'git status --short'
step 'make setup'
step '. .venv/bin/activate'
step 'fer doctor'
step 'cp -r ~/übung/fer-dag ~/copy'
step 'cd ~/copy'
[ -z "$reduced" ] || fer() { fer_of ~/übung/fer-dag "$@"; }
step 'fer run' 1
step 'cd ~/übung/fer-dag'
step "printf '<<<<<<< HEAD\\n' >> dvc.lock"
step 'fer run' 1
step 'git checkout -- dvc.lock'
step 'dvc config --local cache.dir /proc/cache'
step 'fer run' 1
step 'dvc config --local --unset cache.dir'
step "sed -i 's/^  tiny_resnet:.*/&\\n  Tiny_ResNet: {arch: test_resnet}/' params.yaml"
step 'fer run' 1
step 'git checkout -- params.yaml'
[ -z "$reduced" ] || fer() { fer_of "$PWD" "${1/run/dag}" sync; }
step 'fer run clean manifest validate'
step 'git status --short'
finish
