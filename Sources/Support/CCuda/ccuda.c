#include "ccuda.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef ccuda_result (*get_proc_address_v2)(const char *, void **, int, uint64_t, int *);
typedef ccuda_result (*get_proc_address_v1)(const char *, void **, int, uint64_t);

typedef struct {
    void *library;
    get_proc_address_v2 current;  // CUDA 12.0 and later
    get_proc_address_v1 early;    // CUDA 11.3 to 11.8
} resolver;

static void *resolve(const resolver *r, const char *name, const char *exported, int version) {
    void *found = NULL;
    // Plain dlsym of an unsuffixed name hands out the oldest ABI; cuGetProcAddress hands out the one we coded.
    if (r->current && r->current(name, &found, version, 0, NULL) == 0 && found) return found;
    found = NULL;
    if (!r->current && r->early && r->early(name, &found, version, 0) == 0 && found) return found;
    return dlsym(r->library, exported);
}

ccuda_load_status ccuda_load(const char *library, ccuda_table *table, ccuda_load_report *report) {
    memset(table, 0, sizeof *table);
    memset(report, 0, sizeof *report);
    resolver r = {.library = dlopen(library, RTLD_NOW | RTLD_LOCAL)};
    if (!r.library) {
        const char *message = dlerror();
        snprintf(report->text, sizeof report->text, "%s", message ? message : "dlopen failed without a message");
        return CCUDA_NO_LIBRARY;
    }
    r.current = (get_proc_address_v2)dlsym(r.library, "cuGetProcAddress_v2");
    r.early = (get_proc_address_v1)dlsym(r.library, "cuGetProcAddress");

#define CCUDA_RESOLVE(field, name, exported, version, is_required, parameters)                                        \
    table->field = (ccuda_result(*) parameters)resolve(&r, #name, #exported, version);                                 \
    if (is_required && !table->field) {                                                                               \
        snprintf(report->text, sizeof report->text, "%s", #exported);                                                  \
        return CCUDA_SYMBOL_MISSING;                                                                                  \
    }
    CCUDA_FUNCTIONS(CCUDA_RESOLVE)
#undef CCUDA_RESOLVE
    return CCUDA_LOADED;
}
