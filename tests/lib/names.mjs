// Names that only a test knows: the C library's look-up, told what to say.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { scratch } from './gateway.mjs';

const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
typedef int look_up(const char*, const char*, const struct addrinfo*, struct addrinfo**);
int getaddrinfo(const char* node, const char* service, const struct addrinfo* hints, struct addrinfo** result) {
  look_up* real = (look_up*)dlsym(RTLD_NEXT, "getaddrinfo");
  const size_t length = node ? strlen(node) : 0;
  if (length < 5 || strcmp(node + length - 5, ".test") != 0) return real(node, service, hints, result);
  struct addrinfo** next = result;
  char line[300], name[200], address[64];
  FILE* file = fopen(NAMES, "r");
  *result = 0;
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "%199s %63s", name, address) == 2 && strcmp(name, node) == 0 && real(address, service, hints, next) == 0)
      while (*next) next = &(*next)->ai_next;
  if (file) fclose(file);
  return *result ? 0 : EAI_NONAME;
}`;

/** Environment of a gateway that looks up names ending in `.test` in `{name: [address]}` alone. */
export function lookUp(names) {
  const folder = scratch();
  const [source, library, list] = ['names.c', 'names.so', 'names'].map((name) => path.join(folder, name));
  fs.writeFileSync(list, Object.entries(names).flatMap(([name, all]) => all.map((address) => `${name} ${address}\n`)).join(''));
  fs.writeFileSync(source, SOURCE);
  const built = spawnSync('clang-19', ['-shared', '-fPIC', `-DNAMES="${list}"`, '-o', library, source, '-ldl'], { encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
  return { LD_PRELOAD: library, ASAN_OPTIONS: 'verify_asan_link_order=0' };
}
