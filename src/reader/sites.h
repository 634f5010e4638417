/*
 * Sites of several processes, made one: by label, file and line, callers by function, file and
 * line, and the nesting by the chain of sites.
 */
#ifndef READER_SITES_H
#define READER_SITES_H

#include <jansson.h>
#include <stdint.h>

/* In the sum while it is made: where each site and node is, by what it is merged by. */
#define SITES_INDEX "index"

/* Adds a site of a file, and the nesting of a file. */
void sites_add(json_t *sum, const json_t *site);
void sites_add_nesting(json_t *sum, const json_t *file);

/* All has been added: gives each node `bytes`, its site's routed bytes by its share of that site's
 * scopes, and those of the nodes in it. */
void sites_weigh_nesting(json_t *sum);

/* The power of 2 up to which that share (0 to 1) of a site's scopes came that drew anything; -1
 * when none did. */
int site_quantile(const json_t *site, double share);

/* How a site is named: "label file:line", the file without its folders. To be freed. */
char *site_name(const json_t *site);

#endif
