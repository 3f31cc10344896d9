#!/bin/bash
# A real Slurm of one node, started for this and stopped after it, runs the pipeline; `dvc.lock` must
# be, byte for byte, that of a run without Slurm. Needs root and Debian's slurm-wlm and munge.
#
#     bench/slurm_proof.sh STAGES …        such as student@ce-1337; PHASES=killed leaves one out
set -eu
PHASES=${PHASES:-slurm killed}
ROOT=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-$ROOT/.venv/bin/python}
PLACE=$(mktemp -d "${TMPDIR:-/tmp}/slurm-proof.XXXXXX")
HOST=$(hostname -s)
export SLURM_CONF=$PLACE/slurm.conf FER_THREADS=1 FER_JOBS=2 FER_DEVICE=cpu OMP_NUM_THREADS=1

mkdir "$PLACE/state" "$PLACE/spool"
chmod 755 "$PLACE"
head -c 128 /dev/urandom > "$PLACE/munge.key"
chmod 400 "$PLACE/munge.key"
cat > "$SLURM_CONF" <<CONF
ClusterName=proof
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=27817
SlurmdPort=27818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$PLACE/munge.socket
StateSaveLocation=$PLACE/state
SlurmdSpoolDir=$PLACE/spool
SlurmctldPidFile=$PLACE/slurmctld.pid
SlurmdPidFile=$PLACE/slurmd.pid
SlurmctldLogFile=$PLACE/slurmctld.log
SlurmdLogFile=$PLACE/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=short Nodes=$HOST Default=YES State=UP
CONF
stop() {
  for daemon in slurmd slurmctld munged; do
    [ -f "$PLACE/$daemon.pid" ] && kill "$(cat "$PLACE/$daemon.pid")" 2> /dev/null || true
  done
  sleep 2
  rm -rf "$PLACE"
}
trap stop EXIT
munged --force --socket="$PLACE/munge.socket" --key-file="$PLACE/munge.key" \
  --pid-file="$PLACE/munged.pid" --log-file="$PLACE/munged.log" --seed-file="$PLACE/munge.seed"
slurmctld
slurmd
for _ in $(seq 20); do [ "$(sinfo -h -o %T)" = idle ] && break; sleep 1; done
sinfo

fer() { "$PYTHON" -c 'from fer_cli.main import main; main()' "$@"; }
lay() {  # a clone of the last commit, with the page as it was built here
  git clone --quiet "$ROOT" "$PLACE/$1"
  cp -r "$ROOT/web/dist" "$PLACE/$1/web/dist" 2> /dev/null || true
  rm -f "$PLACE/$1/dvc.lock"
  cd "$PLACE/$1"
}
stages=("$@")

lay alone
echo "== one machine: fer run ${stages[*]}"
fer run "${stages[@]}" | tail -n 2

export FER_NODE_FOLDER=$PLACE/node
if [[ $PHASES == *slurm* ]]; then
  lay slurm
  echo "== Slurm: fer run --on slurm --partition short ${stages[*]}"
  fer run --on slurm --partition short "${stages[@]}" | tail -n 2
  cmp "$PLACE/alone/dvc.lock" dvc.lock && echo "dvc.lock is equal, byte for byte: $(md5sum < dvc.lock)"
fi

if [[ $PHASES == *killed* ]]; then
  lay killed
  echo "== Slurm, and the worker of a training is killed with SIGKILL after its first epoch"
  fer run --on slurm --partition short "${stages[@]}" > "$PLACE/killed.log" 2>&1 &
  run=$!
  until ls runs/*/*/*/state.pt > /dev/null 2>&1 || ! kill -0 $run 2> /dev/null; do sleep 0.1; done
  pgrep -f "fer_core.workers.worker $PLACE/killed" | xargs -r kill -KILL
  wait $run || { tail "$PLACE/killed.log"; exit 1; }
  grep -E "is lost|resumed after|stages ran" "$PLACE/killed.log"
  cmp "$PLACE/alone/dvc.lock" dvc.lock && echo "dvc.lock is equal, byte for byte: $(md5sum < dvc.lock)"
fi

echo "== errors"
fer run --on slurm --partition long 2>&1 | head -n 5 || true
FER_THREADS=64 fer run --on slurm --force init 2>&1 | grep -A 5 "No node" | head -n 6 || true
