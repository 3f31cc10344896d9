#!/bin/bash
# A Ray of two nodes and a head runs the pipeline, each in a network namespace with an address, /tmp
# and host name of its own, joined by virtual cables; files travel through an OpenSSH server. What
# git tracks must be, byte for byte, what is committed. Needs root, iproute2, openssh-server, and a
# Python with requirements-ray.lock.
#
#     PYTHON=…/bin/python bench/ray_proof.sh [STAGES …]      the whole default pipeline without any
#     PHASES=whole|killed|cut                                all three without it; the last two run
#                                                            student@ce-1337 and take it a node
set -eu
PHASES=${PHASES:-whole killed cut}
ROOT=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-$ROOT/.venv/bin/python}
PLACE=$(mktemp -d "${PROOF_TMPDIR:-/var/tmp}/ray-proof.XXXXXX")
NODES="head one two"
export PATH="$(dirname "$PYTHON"):$PATH" FER_THREADS=1 FER_DEVICE=cpu OMP_NUM_THREADS=1 FER_RUNS=$PLACE/runs
export RAY_USAGE_STATS_ENABLED=0 HOME=$PLACE/home FER_STORE=store
mkdir -p "$HOME" "$PLACE/runs"

on() {  # on NODE COMMAND …: there, with the node's own /tmp and host name
  local node=$1
  shift
  ip netns exec "fer-$node" unshare --mount --uts sh -c \
    'mount --bind "$0" /tmp && hostname "$1" && shift && exec "$@"' "$PLACE/tmp-$node" "$node" "$@"
}
stop() {
  set +e
  for node in $NODES; do
    ip netns pids "fer-$node" | xargs -r kill -KILL
    ip netns del "fer-$node"
  done 2> /dev/null
  kill "$(cat "$PLACE/sshd.pid")"
  ip link del fer-bridge
  rm -rf "$PLACE"
}
trap stop EXIT

ip link add fer-bridge type bridge
ip addr add 10.77.0.1/24 dev fer-bridge
ip link set fer-bridge up
number=2
for node in $NODES; do
  mkdir "$PLACE/tmp-$node"
  ip netns add "fer-$node"
  ip link add "fer-$node" type veth peer name cable netns "fer-$node"
  ip link set "fer-$node" master fer-bridge up
  ip -n "fer-$node" addr add 10.77.0.$number/24 dev cable
  ip -n "fer-$node" link set cable up
  ip -n "fer-$node" link set lo up
  number=$((number + 1))
done

ssh-keygen -q -t ed25519 -N '' -f "$PLACE/host"
ssh-keygen -q -t ed25519 -N '' -f "$PLACE/key"
mkdir -p /run/sshd
"$(command -v sshd)" -p 2222 -o "ListenAddress=10.77.0.1" -o "HostKey=$PLACE/host" -o "PidFile=$PLACE/sshd.pid" \
  -o "AuthorizedKeysFile=$PLACE/key.pub" -o StrictModes=no -o UsePAM=no -o PermitRootLogin=yes -f /dev/null \
  -o "Subsystem=sftp internal-sftp"

cluster() {  # a fresh Ray: the head takes no stage, so that whoever dies below is a node
  for node in $NODES; do ip netns pids "fer-$node" | xargs -r kill -KILL; done
  rm -rf "$PLACE"/tmp-*/* "$PLACE"/runs/*
  on head ray start --head --node-ip-address=10.77.0.2 --port=6379 --num-cpus=0 --include-dashboard=false \
    --disable-usage-stats > "$PLACE/ray.log" 2>&1
  on one ray start --address=10.77.0.2:6379 --node-ip-address=10.77.0.3 --num-cpus=1 >> "$PLACE/ray.log" 2>&1
  on two ray start --address=10.77.0.2:6379 --node-ip-address=10.77.0.4 --num-cpus=1 >> "$PLACE/ray.log" 2>&1
}
lay() {  # a clone of the last commit without results, with the page as it was built here
  git clone --quiet "$ROOT" "$PLACE/$1"
  cp -r "$ROOT/web/dist" "$PLACE/$1/web/dist" 2> /dev/null || true
  cd "$PLACE/$1"
  mv dvc.lock ../expected.lock
  dvc remote add --quiet --local --default store "ssh://root@10.77.0.1:2222$PLACE/store-$1"
  dvc remote modify --local store keyfile "$PLACE/key"
}
run() { on head "$PYTHON" -P -c 'from fer_cli.main import main; main()' run --on ray --address 10.77.0.2:6379 "$@"; }
equal() {  # equal LOG: every entry of the lock, but that of latency, is that of the commit
  grep -E "is lost|resumed after|stages ran" "$1" || true
  "$PYTHON" - dvc.lock ../expected.lock << 'CODE'
import sys
from fer_core.base.reading import read_yaml
from pathlib import Path
made, expected = (read_yaml(Path(name))["stages"] for name in sys.argv[1:])
other = [name for name, entry in made.items() if entry != expected[name]]
print(f"{len(made)} of {len(expected)} stages made; not those of the commit: {other or 'none'}")
sys.exit(bool({*other} - {"latency"}))  # that one holds times
CODE
}
take() {  # take LOG COMMAND: begin a training, and take its node away after its first epoch
  export PYTHONPATH=$PWD
  run student@ce-1337 > "$1" 2>&1 &
  local coordinator=$! node=""
  until [ -n "$node" ] || ! kill -0 $coordinator 2> /dev/null; do
    sleep 0.2
    ls "$FER_RUNS"/student/*/*/state.pt > /dev/null 2>&1 || continue
    for name in one two; do
      ip netns pids "fer-$name" | xargs -r ps -o args= -p | grep -q "stages.student" && node=$name
    done
  done
  [ -n "$node" ] && "$2" "$node"
  wait $coordinator || { tail "$1"; exit 1; }
}
kill_raylet() { echo "node $1: its raylet is killed"; ip netns pids "fer-$1" | xargs ps -o pid=,comm= -p | awk '$2 == "raylet" {print $1}' | xargs kill -KILL; }
cut() { echo "node $1: its cable is taken away"; ip link set "fer-$1" down; }

for phase in $PHASES; do
  cluster
  lay "$phase"
  export PYTHONPATH=$PWD
  case $phase in
    whole)
      echo "== two nodes: fer run --on ray $*"
      run "$@" > "$PLACE/$phase.log" 2>&1 || { tail -n 20 "$PLACE/$phase.log"; exit 1; }
      ;;
    killed) echo "== a node's raylet is killed with SIGKILL while it trains"; take "$PLACE/$phase.log" kill_raylet ;;
    cut) echo "== a node's cable is taken away while it trains"; take "$PLACE/$phase.log" cut ;;
  esac
  equal "$PLACE/$phase.log"
done
