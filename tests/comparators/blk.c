/*
 * Linux's blkfront and blkback, measured from dom0: plays the toolstack's part in xenstore by itself
 * (so that neither libxl nor a hotplug script is in the figures) and watches both states. Arguments:
 * the domain that has blkfront loaded, how many cycles, and the major and minor number of a block
 * device in dom0.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenstore.h>

#include "times.h"

#define DEVICE 51712 /* xvda */
/* xen/include/public/io/xenbus.h */
#define CONNECTED 4
#define CLOSING 5
#define CLOSED 6
/* How often the states are looked at before a cycle is given up: each look follows an event. */
#define LOOKS_MAX 200

static struct times attaches = { .name = "blk-attach" }, detaches = { .name = "blk-detach" };
static struct xs_handle *store;
static char front[64], back[64];

static void fail(const char *what)
{
    printf("@J fail reason=blk-%s-errno-%d\n", what, errno);
    fflush(stdout);
    exit(1);
}

static void put(xs_transaction_t transaction, const char *folder, const char *name, const char *value)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (!xs_write(store, transaction, path, value, (unsigned int)strlen(value)))
        fail("write");
}

static int state_of(const char *folder)
{
    char path[128], *value;
    unsigned int length;
    int state;
    snprintf(path, sizeof(path), "%s/state", folder);
    value = xs_read(store, XBT_NULL, path, &length);
    state = value ? atoi(value) : 0;
    free(value);
    return state;
}

/* Until both ends are in `state`; only looks after an event. */
static void await_both(int state)
{
    unsigned int looks, count;
    for (looks = 0; looks < LOOKS_MAX; looks++) {
        char **event;
        if (state_of(back) == state && state_of(front) == state)
            return;
        event = xs_read_watch(store, &count);
        if (!event)
            fail("event");
        free(event);
    }
    printf("states are %d and %d\n", state_of(front), state_of(back));
    fail("states");
}

static void watch(const char *folder, int on)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/state", folder);
    if (!(on ? xs_watch(store, path, "s") : xs_unwatch(store, path, "s")))
        fail(on ? "xs-watch" : "xs-unwatch");
}

static void create(const char *domain, const char *numbers)
{
    struct xs_permissions front_may[2] = { { (unsigned int)atoi(domain), XS_PERM_NONE }, { 0, XS_PERM_READ } };
    struct xs_permissions back_may[2] = { { 0, XS_PERM_NONE }, { (unsigned int)atoi(domain), XS_PERM_READ } };
    char device[16];
    xs_transaction_t transaction;
    snprintf(device, sizeof(device), "%d", DEVICE);
    do {
        transaction = xs_transaction_start(store);
        if (transaction == XBT_NULL)
            fail("transaction");
        if (!xs_mkdir(store, transaction, front) || !xs_mkdir(store, transaction, back) ||
            !xs_set_permissions(store, transaction, front, front_may, 2) ||
            !xs_set_permissions(store, transaction, back, back_may, 2))
            fail("mkdir");
        put(transaction, front, "backend", back);
        put(transaction, front, "backend-id", "0");
        put(transaction, front, "state", "1");
        put(transaction, front, "virtual-device", device);
        put(transaction, front, "device-type", "disk");
        put(transaction, back, "frontend", front);
        put(transaction, back, "frontend-id", domain);
        put(transaction, back, "online", "1");
        put(transaction, back, "state", "1");
        put(transaction, back, "dev", "xvda");
        put(transaction, back, "type", "phy");
        put(transaction, back, "mode", "w");
        put(transaction, back, "device-type", "disk");
        put(transaction, back, "physical-device", numbers);
    } while (!xs_transaction_end(store, transaction, false));
}

int main(int argc, char **argv)
{
    unsigned int cycle, cycles;
    if (argc != 4)
        return 2;
    cycles = (unsigned int)atoi(argv[2]);
    snprintf(front, sizeof(front), "/local/domain/%s/device/vbd/%d", argv[1], DEVICE);
    snprintf(back, sizeof(back), "/local/domain/0/backend/vbd/%s/%d", argv[1], DEVICE);
    store = xs_open(0);
    if (!store)
        fail("no-xenstore");
    watch(front, 1);
    watch(back, 1);
    for (cycle = 0; cycle < cycles; cycle++) {
        uint64_t start = now_ns();
        create(argv[1], argv[3]);
        await_both(CONNECTED);
        note(&attaches, now_ns() - start);
        /* The guest looks for partitions now. */
        usleep(50000);
        start = now_ns();
        put(XBT_NULL, back, "online", "0");
        put(XBT_NULL, back, "state", "5");
        await_both(CLOSED);
        note(&detaches, now_ns() - start);
        usleep(50000);
        if (!xs_rm(store, XBT_NULL, front) || !xs_rm(store, XBT_NULL, back))
            fail("rm");
        usleep(50000);
    }
    watch(front, 0);
    watch(back, 0);
    print_times("@J", &attaches);
    print_times("@J", &detaches);
    return 0;
}
