#!/bin/sh
# A model from a corpus in shards, on one computer: each shard is read by itself, and only its statistics are kept.
#
#   sh shards.sh CORPUS SAMPLE MODEL [N]
#
# CORPUS  a folder with one sub-folder for each class, or a manifest
# SAMPLE  a part of it, or another corpus of the same kind of sound, for the UBM
# MODEL   the model file to write; the statistics go to MODEL.shards
# N       number of shards, 4 by default; the sound of one must fit in memory as features
#
# Run it again after it was stopped: shards whose statistics are there are not read again.
set -eu
corpus=$1 sample=$2 model=$3 n=${4:-4}
folder=$model.shards
gmmaudio=${GMMAUDIO:-gmmaudio}

mkdir -p "$folder"
if [ ! -e "$folder/ubm.safetensors" ]; then
    $gmmaudio train "$sample" --preset "${PRESET:-language}" --kind supervector -o "$folder/ubm.safetensors"
fi
i=1
while [ "$i" -le "$n" ]; do
    if [ ! -e "$folder/$i-of-$n.stats" ]; then
        # 1: done, but some files failed, which were named
        $gmmaudio stats "$corpus" --model "$folder/ubm.safetensors" --shard "$i/$n" -o "$folder/$i-of-$n.stats" ||
            [ $? -eq 1 ]
    fi
    i=$((i + 1))
done
$gmmaudio merge "$folder"/*-of-"$n".stats -o "$model"
