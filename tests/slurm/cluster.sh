#!/usr/bin/env bash
# A Slurm of two nodes on this machine, for tests: cluster.sh start|stop FOLDER. It takes root, slurm-wlm and munge.
# Both nodes are this machine, with one CPU each. FOLDER/slurm.conf is what SLURM_CONF must name.
set -eu
action=$1
folder=$2
export SLURM_CONF=$folder/slurm.conf

if [ "$action" = stop ]; then
  for name in n1 n2 controller; do
    if [ -s "$folder/$name.pid" ]; then kill "$(cat "$folder/$name.pid")" 2>/dev/null || true; fi
  done
  if [ -s "$folder/munge.pid" ]; then kill "$(cat "$folder/munge.pid")" 2>/dev/null || true; fi
  if [ -s "$folder/keys" ]; then rm -rf "$(cat "$folder/keys")"; fi
  exit 0
fi

mkdir -p "$folder/state" "$folder/spool-n1" "$folder/spool-n2"
# A key and a daemon of its own, so that the machine's munge is left as it is. Munge insists on safe folders.
keys=$(mktemp -d /run/bench-munge.XXXXXX)
echo "$keys" >"$folder/keys"
chmod 755 "$keys"
(umask 077; head -c 128 /dev/urandom >"$keys/key")
munged --force --key-file="$keys/key" --socket="$keys/socket" --pid-file="$folder/munge.pid" \
  --log-file="$keys/log" --seed-file="$keys/seed"

here=$(hostname -s)
first=$((20000 + $$ % 20000))
{
  echo "ClusterName=bench SlurmctldHost=$here(127.0.0.1) SlurmUser=root" | tr ' ' '\n'
  echo "AuthType=auth/munge"
  echo "AuthInfo=socket=$keys/socket"
  echo "SlurmctldPort=$first"
  echo "StateSaveLocation=$folder/state"
  echo "SlurmdSpoolDir=$folder/spool-%n"
  echo "SlurmctldPidFile=$folder/controller.pid"
  echo "SlurmdPidFile=$folder/%n.pid"
  echo "SlurmctldLogFile=$folder/controller.log"
  echo "SlurmdLogFile=$folder/%n.log"
  # Without control groups, which containers often lack; a node that dies is noticed soon.
  echo "ProctrackType=proctrack/pgid"
  echo "TaskPlugin=task/none"
  echo "SchedulerParameters=sched_interval=2,batch_sched_delay=1"
  echo "SelectType=select/cons_tres"
  echo "SelectTypeParameters=CR_Core"
  echo "ReturnToService=2"
  echo "KillWait=2"
  echo "SlurmdTimeout=10"
  for number in 1 2; do
    echo "NodeName=n$number NodeHostname=$here NodeAddr=127.0.0.1 Port=$((first + number)) CPUs=1 RealMemory=1000"
  done
  echo "PartitionName=test Nodes=n1,n2 Default=YES MaxTime=60 State=UP"
} >"$SLURM_CONF"

slurmctld
slurmd -N n1
slurmd -N n2
for _ in $(seq 100); do
  if [ "$(sinfo --noheader --Node --format=%T 2>/dev/null | tr '\n' ' ')" = "idle idle " ]; then exit 0; fi
  sleep 0.2
done
echo "the nodes did not become idle" >&2
sinfo >&2 || true
exit 1
