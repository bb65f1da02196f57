/* A stand-in for NVIDIA's libcuda: it starts as the real one does, as far as walls can be in the
 * way, answers so that torch believes in one GPU, and notes each start in /dev/nvidiactl. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SUCCESS = 0, NO_DEVICE = 100, OPERATING_SYSTEM = 304 };

static int control = -1; /* stays open, as with the real driver */

static int note(const char *what, int result) {
    char status[4096] = "", line[256], spaces[64] = "?";
    int file = open("/proc/self/status", O_RDONLY);
    if (file >= 0) {
        ssize_t size = read(file, status, sizeof status - 1);
        status[size > 0 ? size : 0] = 0;
        close(file);
        char *found = strstr(status, "NSpid:");
        if (found) sscanf(found, "NSpid: %63[^\n]", spaces);
    }
    const char *gpu = getenv("CUDA_VISIBLE_DEVICES");
    int length = snprintf(line, sizeof line, "%s %d on %s NSpid %s\n", what, result,
                          gpu ? gpu : "any", spaces);
    if (write(control, line, length) != length) return OPERATING_SYSTEM;
    return result;
}

/* What the drivers since 570 do first: an anonymous file, and a name for their thread. */
static int start(void) {
    char path[64];
    struct stat unused;
    int memory = memfd_create("cuda", 0);
    if (memory < 0) return OPERATING_SYSTEM;
    close(memory);
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", gettid());
    int name = open(path, O_RDWR);
    if (name < 0) return OPERATING_SYSTEM;
    close(name);
    return stat("/dev/nvidia-broken", &unused) ? SUCCESS : NO_DEVICE;
}

int cuInit(unsigned flags) {
    (void)flags;
    if (control < 0) control = open("/dev/nvidiactl", O_WRONLY | O_APPEND);
    if (control < 0) return OPERATING_SYSTEM;
    return note("cuInit", start());
}

int cuDriverGetVersion(int *version) { *version = 13090; return SUCCESS; }
int cuDeviceGetCount(int *count) { *count = 1; return SUCCESS; }
int cuDeviceGet(int *device, int index) { *device = index; return SUCCESS; }
int cuDeviceGetName(char *name, int size, int device) {
    (void)device;
    snprintf(name, size, "Stub");
    return SUCCESS;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    (void)device;
    *bytes = 80ul << 30;
    return SUCCESS;
}
int cuMemGetInfo_v2(size_t *free, size_t *total) {
    *free = *total = 80ul << 30;
    return SUCCESS;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == 75 ? 9 : attribute == 76 ? 0 : 1; /* compute capability 9.0 */
    return SUCCESS;
}

static int nothing(void) { return SUCCESS; }

int cuGetExportTable(const void **table, const void *id) {
    static void *functions[300];
    (void)id;
    functions[0] = (void *)sizeof functions;
    for (int place = 1; place < 300; place++) functions[place] = nothing;
    *table = functions;
    return SUCCESS;
}

int cuGetProcAddress_v2(const char *name, void **function, int version, unsigned long flags,
                        int *found) {
    static const struct { const char *name; void *function; } known[] = {
        {"cuInit", cuInit}, {"cuDriverGetVersion", cuDriverGetVersion},
        {"cuDeviceGetCount", cuDeviceGetCount}, {"cuDeviceGet", cuDeviceGet},
        {"cuDeviceGetName", cuDeviceGetName}, {"cuDeviceTotalMem", cuDeviceTotalMem_v2},
        {"cuMemGetInfo", cuMemGetInfo_v2}, {"cuDeviceGetAttribute", cuDeviceGetAttribute},
        {"cuGetExportTable", cuGetExportTable}, {"cuGetProcAddress", cuGetProcAddress_v2},
    };
    (void)version, (void)flags;
    if (found) *found = 0;
    *function = nothing;
    for (size_t place = 0; place < sizeof known / sizeof *known; place++)
        if (!strcmp(name, known[place].name)) *function = known[place].function;
    return SUCCESS;
}
int cuGetProcAddress(const char *name, void **function, int version, unsigned long flags) {
    return cuGetProcAddress_v2(name, function, version, flags, 0);
}
