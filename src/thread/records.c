#include "thread/records.h"

#include "next/fixed.h"

__attribute__((visibility("default"))) const struct records arenashim_records = {
    .layout = RECORDS_LAYOUT,
    .bytes = RECORDS_BYTES,
    .version = PACKAGE_VERSION,
    .region = &fixed.region,
    .sites = sites_table,
    .epoch = &sites_epoch,
};
