#include "fake_cuda.h"
#include <string.h>

static ccuda_result fake_init(unsigned flags) { return flags == 0 ? 0 : 1; }
static ccuda_result fake_driver_get_version(int *version) {
    *version = 12080;
    return 0;
}

void fake_cuda_table(ccuda_table *table) {
    memset(table, 0, sizeof *table);
    table->init = fake_init;
    table->driverGetVersion = fake_driver_get_version;
}
