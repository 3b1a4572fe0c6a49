#!/usr/bin/env bash
# Checks the checkpoints of a training run with attn-diff, notes each in a history, and stops where one fails.
#
#   check-checkpoints.sh FOLDER [options of attn-diff run]
#
# FOLDER holds checkpoint-*, as transformers.Trainer writes them. A checkpoint without an ONNX file is exported first.
#
#   TRAINER_PID  process of the training: checkpoints are waited for until it ends, and it is ended (SIGTERM) where the
#                gate fails. Without it, those that are there are checked once.
#   HISTORY      the history; by default FOLDER/attn-diff.jsonl
#   READY        the file that a checkpoint gets last; by default trainer_state.json
#   WAIT         seconds between two looks; by default 30
#   ATTN_DIFF    the command; by default npx attn-diff
#   EXPORT       the command that exports a checkpoint, given its folder and the folder to write
#
# Exit codes: 0 all passed; 1 a gate failed, now or in an earlier call; 2 to 4 a check could not be made, as attn-diff
# has them (3 also where the export fails, 2 also where there was nothing to check, 4 also where attn-diff did not run, or
# wrote no report that says what its exit code does). With these the training is left alone: they say nothing of the model.
set -uo pipefail
shopt -s nullglob

if [ $# = 0 ]; then
  echo 'usage: check-checkpoints.sh FOLDER [options of attn-diff run]' >&2
  exit 2
fi
folder=$1
shift
history=${HISTORY:-$folder/attn-diff.jsonl}
read -ra attn_diff <<< "${ATTN_DIFF:-npx attn-diff}"

export_checkpoint() {
  if [ -n "${EXPORT:-}" ]; then
    $EXPORT "$1" "$2"
  else
    optimum-cli export onnx --model "$1" --task text-generation-with-past "$2"
  fi
}

# The verdict of a report, as an exit code; nothing where there is no report, or none that was written to its end.
verdict() {
  case $(grep -E '^(PASSED|FAILED)( |:)' "$1" 2> /dev/null | tail -n 1) in
    PASSED*) echo 0 ;;
    FAILED*) echo 1 ;;
  esac
}

# Where the report of the check that runs is written, so that what lies there is of that very check.
fresh=
trap 'if [ -n "$fresh" ]; then rm -rf "$fresh"; fi' EXIT

check() {
  local checkpoint=$1 code said
  shift
  if [ ! -e "$checkpoint/model.onnx" ] && [ ! -e "$checkpoint/onnx/model.onnx" ]; then
    rm -rf "$checkpoint/onnx.part"
    if ! export_checkpoint "$checkpoint" "$checkpoint/onnx.part" || ! mv "$checkpoint/onnx.part" "$checkpoint/onnx"; then
      echo "check-checkpoints: $checkpoint could not be exported." >&2
      return 3
    fi
  fi
  rm -rf "$checkpoint"/.attn-diff.??????
  if ! fresh=$(mktemp -d "$checkpoint/.attn-diff.XXXXXX"); then
    fresh=
    echo "check-checkpoints: $checkpoint could not be checked: no report can be written there." >&2
    return 4
  fi
  "${attn_diff[@]}" run --model "$checkpoint" --history "$history" --label "$(basename "$checkpoint")" "$@" --output "$fresh/attn-diff.txt" --format text
  code=$?
  said=$(verdict "$fresh/attn-diff.txt")
  # npx ends with 1 too where it finds no attn-diff, and node where it cannot start.
  if [ "$code" = "$said" ]; then
    mv -f "$fresh/attn-diff.txt" "$checkpoint/attn-diff.txt"
    case $code in
      0) echo "check-checkpoints: $checkpoint passed." ;;
      1) echo "check-checkpoints: $checkpoint failed the gate: see $checkpoint/attn-diff.txt." >&2 ;;
    esac
  else
    case $code in
      2 | 3 | 4) echo "check-checkpoints: $checkpoint could not be checked (exit code $code)." >&2 ;;
      *)
        echo "check-checkpoints: $checkpoint could not be checked: '${attn_diff[*]}' ended with exit code $code and no report that says so." >&2
        code=4
        ;;
    esac
  fi
  rm -rf "$fresh"
  fresh=
  return "$code"
}

finish() {
  if [ -s "$history" ]; then "${attn_diff[@]}" history "$history" --last 20; fi
  exit "$1"
}

# A checkpoint that failed in an earlier call is not checked again, and has not passed.
conclude() {
  local report code=
  for report in "$folder"/checkpoint-*/attn-diff.txt; do
    case $(verdict "$report") in
      0) code=${code:-0} ;;
      1)
        echo "check-checkpoints: ${report%/*} failed the gate before: see $report." >&2
        code=1
        ;;
    esac
  done
  if [ -z "$code" ]; then
    echo "check-checkpoints: nothing was checked: $folder has no checkpoint-* with ${READY:-trainer_state.json}." >&2
    code=2
  fi
  finish "$code"
}

while true; do
  # Before the look, so that what the training writes at its end is seen.
  alive=false
  if [ -n "${TRAINER_PID:-}" ] && kill -0 "$TRAINER_PID" 2> /dev/null; then alive=true; fi
  while IFS= read -r checkpoint; do
    if [ ! -e "$checkpoint/${READY:-trainer_state.json}" ] || [ -n "$(verdict "$checkpoint/attn-diff.txt")" ]; then continue; fi
    check "$checkpoint" "$@" < /dev/null
    code=$?
    if [ "$code" = 1 ] && [ -n "${TRAINER_PID:-}" ] && kill -TERM "$TRAINER_PID" 2> /dev/null; then
      echo "check-checkpoints: the training (process $TRAINER_PID) was told to end." >&2
    fi
    if [ "$code" != 0 ]; then finish "$code"; fi
  done < <(if [ -d "$folder" ]; then find "$folder" -mindepth 1 -maxdepth 1 -type d -name 'checkpoint-*' | sort -V; fi)
  if [ "$alive" = false ]; then conclude; fi
  sleep "${WAIT:-30}"
done
