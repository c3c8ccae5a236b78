#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The same policy gives the same bytes, whichever compiler has built usher and however hard it has optimised.
set -u
cd "$(dirname "$0")/../../.." || exit 1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
read -r -a flags <<<"-std=gnu11 -D_GNU_SOURCE -Iinclude -Iuser $(pkg-config --cflags json-c libcrypto)"
read -r -a libraries <<<"$(pkg-config --libs json-c libcrypto) -lm"
sources=(user/{base,policy,govern,compile}/*.c tests/unit/compile/digests.c)
policies=(policies/examples/*.json scripts/lab.d/policy.json tests/vectors/policy.json)
ways=('gcc -O0' 'gcc -O2' 'gcc -O3 -fno-strict-aliasing -funroll-loops' 'clang -O0' 'clang -O2')

build() { # WAY FOLDER
	local way
	read -r -a way <<<"$1"
	"${way[@]}" "${flags[@]}" "${sources[@]}" "${libraries[@]}" -o "$2/digests" && "$2/digests" "${policies[@]}" >"$2/out"
}

for way in "${!ways[@]}"; do
	mkdir "$folder/$way"
	build "${ways[way]}" "$folder/$way" >"$folder/$way/log" 2>&1 &
	[ $((way % 2)) -eq 0 ] || wait
done
wait
count=0
for way in "${!ways[@]}"; do
	count=$((count + 1))
	if [ -s "$folder/$way/out" ] && cmp -s "$folder/0/out" "$folder/$way/out"; then
		echo "ok $count - ${ways[way]}: the tables of ${#policies[@]} policies"
	else
		echo "not ok $count - ${ways[way]}: the tables of ${#policies[@]} policies"
		{ cat "$folder/$way/log"; diff "$folder/0/out" "$folder/$way/out"; } 2>&1 | head -20 | sed 's/^/# /'
	fi
done
echo "1..$count"
