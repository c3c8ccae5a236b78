# SPDX-License-Identifier: GPL-2.0-only
# What programs have said on each kernel, as "NAME: a line of TAP", to one TAP report; the verifier's figures as a table at its end.

/^missing: / {
	sub(/^missing: /, "")
	printf "ok %d - %s # SKIP no such package can be downloaded\n", ++count, $0
	missing = 1
	next
}
/kernel under test: / {
	sub(/.*kernel under test: /, "")
	kernel = $0
	sub(/[-+].*/, "", kernel)
	print "# Linux " $0
	next
}
/^end of kernel$/ {
	many = missing ? 0 : split(programs, names, " ")
	for (i = 1; i <= many; i++) {
		name = names[i]
		printf "%s %d - %s: %s went through: %d of %d\n", \
			planned[name] && seen[name] == planned[name] ? "ok" : "not ok", ++count, kernel, name, seen[name], planned[name]
	}
	delete planned
	delete seen
	missing = 0
	kernel = "no kernel"
	next
}
match($0, /^[a-z0-9_]+: 1\.\.[0-9]+/) {
	split($0, plan, /: 1\.\./)
	planned[plan[1]] += plan[2]
	next
}
match($0, /^[a-z0-9_]+: (not )?ok [0-9]+/) {
	name = substr($0, 1, index($0, ":") - 1)
	line = substr($0, index($0, ":") + 2)
	bad = line ~ /^not /
	sub(/^(not )?ok [0-9]+ ?-? ?/, "", line)
	seen[name]++
	skip = ""
	if (match(line, /# SKIP.*/)) {
		skip = " " substr(line, RSTART)
		line = substr(line, 1, RSTART - 1)
	}
	printf "%s %d - %s: %s: %s%s\n", bad ? "not ok" : "ok", ++count, kernel, name, line, skip
	if (name == "verifier" && split(line, part, /: /) == 4) {
		figure = part[4]
		sub(/ .*/, "", figure)
		if (!((part[1] " " part[2]) in known)) {
			known[part[1] " " part[2]] = 1
			cells[++cell_count] = part[1] " " part[2]
		}
		figures[part[1] " " part[2], part[3]] = figure
	}
	next
}
/^[a-z0-9_]+: / { print "# " $0 }
END {
	print "1.." count
	for (i = 1; i <= cell_count; i++) {
		line = sprintf("# %-20s", cells[i])
		split("usher usher_start usher_inject usher+flow_ends", order, " ")
		for (j = 1; j <= 4; j++)
			line = line sprintf("  %s %s", order[j], (cells[i], order[j]) in figures ? figures[cells[i], order[j]] : "-")
		print line
	}
}
