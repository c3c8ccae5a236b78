// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the verifier of the running kernel thinks of the program: loaded or not, and how many instructions it went through for
 * each entry. More than INSTRUCTIONS_MAX is a failure: a million is the kernel's own bound, and a program that comes near it on
 * one kernel is refused by the next.
 *
 *   verifier.test [OBJECT...]     each as some compiler has made it (build/bpf/usher.bpf.o)
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "usher/abi.h"

#include "base/clock.h"

#define INSTRUCTIONS_MAX 100000
#define DEFAULT_OBJECT "build/bpf/usher.bpf.o"

static int count, failed;

static int print_warnings(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vprintf(format, arguments) : 0;
}

static void check(bool good, const char *kernel, const char *compiler, const char *what, const char *seen)
{
	count++;
	failed += !good;
	printf("%sok %d - %s: %s: %s: %s\n", good ? "" : "not ", count, kernel, compiler, what, seen);
}

/* Where usher_boot is in its section, or -ENOENT. */
static int boot_offset(const struct btf *btf)
{
	int section = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *type = section < 0 ? NULL : btf__type_by_id(btf, (__u32)section);

	for (int i = 0; type && i < btf_vlen(type); i++) {
		const struct btf_var_secinfo *variable = &btf_var_secinfos(type)[i];

		if (!strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, variable->type)->name_off), "usher_boot"))
			return (int)variable->offset;
	}
	return -ENOENT;
}

/* The settings that a daemon writes before it loads: zeros would let the verifier prune what runs in earnest. */
static int set_boot(struct bpf_object *object, bool flow_ends)
{
	struct usher_boot boot = {.abi_version = USHER_ABI_VERSION,
				  .flow_lines = USHER_FLOW_LINES_DEFAULT,
				  .jiffy_ns = clock_jiffy(),
				  .half_open_max = 65536,
				  .replies_max = 1000,
				  .records_max = 10000,
				  .interfaces = {1},
				  .boot_id = 1,
				  .dry_run_token = 1,
				  .flow_ends = flow_ends};
	struct bpf_map *map, *flows = bpf_object__find_map_by_name(object, "flows"),
			     *figures = bpf_object__find_map_by_name(object, "flow_figures");
	int error;

	bpf_object__for_each_map(map, object)
	{
		const char *name = bpf_map__name(map);
		size_t size = 0;
		char *bytes;
		int at;

		if (!bpf_map__is_internal(map) || !strstr(name, ".rodata"))
			continue;
		bytes = (char *)(uintptr_t)bpf_map__initial_value(map, &size);
		at = boot_offset(bpf_object__btf(object));
		if (!bytes || at < 0 || (size_t)at + sizeof(boot) > size)
			return -EINVAL;
		memcpy(bytes + at, &boot, sizeof(boot));
	}
	error = flows && figures ? bpf_map__set_max_entries(flows, boot.flow_lines) : -ENOENT;
	return error ? error : bpf_map__set_max_entries(figures, flow_ends ? boot.flow_lines : 1);
}

static void check_program(const struct bpf_program *program, const char *kernel, const char *compiler, bool flow_ends)
{
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);
	char seen[64], name[64];

	snprintf(name, sizeof(name), "%s%s", bpf_program__name(program), flow_ends ? "+flow_ends" : "");
	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length)) {
		check(false, kernel, compiler, name, strerror(errno));
		return;
	}
	snprintf(seen, sizeof(seen), "%u instructions processed", info.verified_insns);
	check(info.verified_insns && info.verified_insns <= INSTRUCTIONS_MAX, kernel, compiler, name, seen);
}

/* build/clang-16/usher.bpf.o is what clang-16 has made; the name of its folder. */
static void compiler_of(const char *path, char *ret_name, size_t size)
{
	const char *end = strrchr(path, '/'), *start;

	if (!end)
		end = path;
	for (start = end; start > path && start[-1] != '/'; start--)
		;
	snprintf(ret_name, size, "%.*s", (int)(end - start), start);
	if (!strcmp(ret_name, "bpf"))
		snprintf(ret_name, size, "clang");
}

static void check_object(const char *path, const char *kernel, bool flow_ends)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	char compiler[64];
	int error = object ? 0 : -errno;

	compiler_of(path, compiler, sizeof(compiler));
	if (!error)
		error = set_boot(object, flow_ends);
	if (!error)
		error = bpf_object__load(object);
	check(!error, kernel, compiler, "the object", error ? strerror(-error) : "loads");
	if (!error) {
		bpf_object__for_each_program(program, object)
		{
			check_program(program, kernel, compiler, flow_ends);
		}
	}
	bpf_object__close(object);
}

int main(int argc, char **argv)
{
	struct utsname host;

	uname(&host);
	host.release[strcspn(host.release, "-+")] = '\0';
	setvbuf(stdout, NULL, _IOLBF, 0);
	libbpf_set_print(print_warnings);
	if (geteuid()) {
		printf("1..1\nok 1 # SKIP needs root\n");
		return 0;
	}
	/* With and without what boot.flow_ends has the verifier leave out. */
	for (int ends = 0; ends < 2; ends++) {
		if (argc < 2)
			check_object(DEFAULT_OBJECT, host.release, ends);
		for (int i = 1; i < argc; i++)
			check_object(argv[i], host.release, ends);
	}
	printf("1..%d\n", count);
	return failed != 0;
}
