/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs a fuzz target over every file of its corpus folder, without a fuzz engine. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return -1;
	size_t n = 0, cap = 1 << 16;
	uint8_t *p = malloc(cap);
	while (p) {
		n += fread(p + n, 1, cap - n, f);
		if (n < cap)
			break;
		uint8_t *more = realloc(p, cap *= 2);
		if (!more)
			break;
		p = more;
	}
	fclose(f);
	/* Exactly n bytes on the heap, so that a sanitizer sees a read past the end. */
	uint8_t *exact = malloc(n ? n : 1);
	if (!p || !exact)
		return -1;
	for (size_t i = 0; i < n; i++)
		exact[i] = p[i];
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	free(p);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	struct dirent **entries;
	int count = scandir(argv[1], &entries, NULL, alphasort);
	if (count < 0) {
		perror(argv[1]);
		return 1;
	}
	int ran = 0, failed = 0;
	for (int i = 0; i < count; i++) {
		char path[4096];
		if (entries[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
			int bad = replay_file(path) != 0;
			printf("%sok %d - %s\n", bad ? "not " : "", ++ran, entries[i]->d_name);
			fflush(stdout);
			failed += bad;
		}
		free(entries[i]);
	}
	free(entries);
	printf("1..%d\n", ran);
	return failed || ran == 0;
}
