#!/bin/sh
# Index the sample corpus and show one question answered by words, by meaning, and by both.
# Usage: VECSEARCH=path/to/vecsearch sh bench/demo.sh CORPUS INDEX
set -eu
corpus=$1 index=$2

step() { printf '\n$ vecsearch %s\n' "$*"; "$VECSEARCH" "$@"; }

step index "$corpus" "$index" --overwrite
for query in "LP-4417" "birds that do not nest on the cliff"; do
    for by in bm25 dense hybrid; do
        step search "$index" "$query" --by "$by" -k 3
    done
done
for by in tfidf bm25 dense hybrid; do
    step search "$index" --queries "$corpus/queries.jsonl" --run "$index.$by.run" --by "$by"
    step eval "$index.$by.run" "$corpus/qrels/test.tsv" --measure nDCG@10 --measure R@100
done
