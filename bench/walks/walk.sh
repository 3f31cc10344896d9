# What the walks share. Each works in a clone and a home of its own, in a new folder or WALK_FOLDER.
#
# WALK_PYTHON names an interpreter that has the packages already. Then the walk is reduced: nothing
# is installed, and trainings take a few steps.
set -euo pipefail
project=$(git -C "$(dirname "${BASH_SOURCE[0]}")" rev-parse --show-toplevel)
work=$(cd "${WALK_FOLDER:-$(mktemp -d)}" && pwd)
export UV_CACHE_DIR=${UV_CACHE_DIR:-$HOME/.cache/uv} HOME=$work/home DVC_NO_ANALYTICS=1
export GIT_AUTHOR_NAME=walker GIT_AUTHOR_EMAIL=w@localhost
export GIT_COMMITTER_NAME=walker GIT_COMMITTER_EMAIL=w@localhost
unset FER_RAW FER_RUNS DVC_ROOT PYTHONPATH VIRTUAL_ENV
mkdir -p "$HOME"
# Paths of this machine are shortened, and lines of single epochs and of ONNX's exporter left out.
exec > >(sed -u "s#$HOME#~#g; s#$work#…#g; s#$project#…/original#g
/ epoch [0-9]*\/[0-9]* /d; /Created a copy of bias/d") 2>&1

fer_of() { PYTHONPATH=$1 "$WALK_PYTHON" -P -c 'from fer_cli.main import main; main()' "${@:2}"; }
if reduced=${WALK_PYTHON:+yes}; [ "$reduced" ]; then
  PATH=$(dirname "$WALK_PYTHON"):$PATH
  fer() { fer_of "$PWD" "$@"; }
fi

# show COMMAND [STATUS]: show a command, run it, say how long it took; its status must be STATUS.
step() {
  printf '\n$ %s\n' "$1"
  if [ "$reduced" ] && [[ $1 == make* || $1 == '. .venv'* ]]; then
    return
  fi
  local began=$SECONDS status=0
  eval "$1" || status=$?
  printf '[%s s]\n' $((SECONDS - began))
  [ "$status" = "${2:-0}" ] || { printf 'status %s instead of %s\n' "$status" "${2:-0}"; exit 1; }
}

# In a reduced walk: parameters of few steps, as those of `fer run --smoke`.
reduce() {
  [ -z "$reduced" ] || "$WALK_PYTHON" -m bench.walks.reduce
}

finish() { printf '\nThe walk took %s minutes and %s seconds.\n' $((SECONDS / 60)) $((SECONDS % 60)); }
