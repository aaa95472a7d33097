#!/usr/bin/env bash
# Counts the instructions that the policy takes natively for each payload, less those of a payload
# that is no request: the same each time, however busy the machine. Fails where a count is more than
# 5 % above the figure in instructions.txt; `--update` writes new figures.
set -euo pipefail
cd "$(dirname "$0")/.."

figures=benches/instructions.txt
program=target/release/datakit_injection

count() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" 2>&1 > /dev/null |
    sed -n 's/.*Collected : //p'
}

idle=$(count <<< x)
new=$(mktemp)
trap 'rm -f "$new"' EXIT
status=0
printf '%-12s %10s %10s %7s\n' payload counted figure change
while read -r name figure; do
  counted=$(($(count < "fuzz/seeds/payload/$name.json") - idle))
  echo "$name $counted" >> "$new"
  awk -v name="$name" -v counted="$counted" -v figure="$figure" 'BEGIN {
    change = 100 * (counted / figure - 1)
    printf "%-12s %10d %10d %+6.1f%%\n", name, counted, figure, change
    exit change > 5 }' || status=1
done < "$figures"
if [ "${1:-}" = --update ]; then
  cp "$new" "$figures"
elif [ "$status" != 0 ]; then
  echo "a request takes 5 % more instructions; if that is worth it: make instructions UPDATE=--update" >&2
  exit 1
fi
