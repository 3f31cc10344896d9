#!/usr/bin/env bash
# The first walk: from photos of one's own to a network of one's own, as docs/tutorial.md has it.
#
#   bench/walks/photos.sh [PHOTOS]    PHOTOS has happy/…, sad/…; photos are drawn if left out
photos=${1:+$(cd "$1" && pwd)}
. "$(dirname "$0")/walk.sh"
git clone -q "$project" "$work/fer-dag"
cd "$work/fer-dag"
if [ "$photos" ]; then
  cp -r "$photos" ~/photos
else
  PYTHONPATH=$project "${WALK_PYTHON:-$project/.venv/bin/python}" -m bench.walks.drawn ~/photos
fi

if [ "$reduced" ]; then  # to the exported network and its card: every further stage takes its start
  fer() {
    case $* in run) fer_of "$PWD" run onnx ;; report | 'run --estimate' | *csv) ;; *) fer_of "$PWD" "$@" ;; esac
  }
fi

step 'make setup'
step '. .venv/bin/activate'
step 'fer doctor'
step 'fer data crop ~/photos ~/photos_faces'
step 'fer data add custom ~/photos_faces/faces --absent'
step 'git switch -c profile/custom'
step 'fer profile use custom'
reduce
step 'fer run --estimate'
step 'fer run'
step 'fer report'
step 'fer predict ~/photos --detect --format csv > ~/answers.csv'
step 'fer predict ~/photos --detect --annotate ~/photos_drawn | tail -3'
finish
