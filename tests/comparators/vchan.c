/*
 * libxenvchan between two Linux domains, measured: the same things as the image `bench` does with a
 * connection. The first argument is "server" or "client", the second how many cycles. dom0 writes the
 * other domain's number into data/peer of each home.
 *
 * Channel 0 stays open and carries orders, as the session does for us; each cycle has a channel of
 * its own.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxenvchan.h>
#include <xenstore.h>

#include "times.h"

/* Least sizes of the two rings. 1024 lies within the shared page; more takes pages of its own. */
#define RING_SMALL 1024
#define RING_LARGE 16384

#define SIZE_MAX_BYTES 65536
#define PATIENCE_US 60000000
#define LOOK_US 2000
/* Cycles after the timed ones, for counting: dom0 has the daemon write down what it is asked. */
#define COUNTED_CYCLES 5

struct order {
    uint32_t kind; /* 1: echo, 2: take in and answer one byte, 3: the end */
    uint32_t size;
    uint32_t count;
};

static unsigned char buffer[SIZE_MAX_BYTES], other[SIZE_MAX_BYTES];
static struct times inits = { .name = "vchan-server-init" }, connects = { .name = "vchan-client-init" },
                    firsts = { .name = "vchan-first-byte" }, closes = { .name = "vchan-close" }, trips;

static void fail(const char *what)
{
    printf("@T verdict=FAILURE reason=%s-errno-%d\n", what, errno);
    fflush(stdout);
    _exit(1);
}

/* The number in a node that dom0 writes sooner or later. */
static int await_number(const char *path)
{
    struct xs_handle *store = xs_open(0);
    unsigned int length, waited;
    if (!store)
        fail("no-xenstore");
    for (waited = 0; waited < PATIENCE_US; waited += LOOK_US) {
        char *value = xs_read(store, XBT_NULL, path, &length);
        if (value) {
            int number = atoi(value);
            free(value);
            xs_close(store);
            return number;
        }
        usleep(LOOK_US);
    }
    fail("dom0-is-silent");
    return 0;
}

static void send_all(struct libxenvchan *channel, const void *bytes, size_t size)
{
    const unsigned char *from = bytes;
    while (size > 0) {
        int wrote = libxenvchan_write(channel, from, size);
        if (wrote <= 0)
            fail("write");
        from += wrote;
        size -= (size_t)wrote;
    }
}

static void receive_all(struct libxenvchan *channel, void *bytes, size_t size)
{
    unsigned char *into = bytes;
    while (size > 0) {
        int read = libxenvchan_read(channel, into, size);
        if (read <= 0)
            fail("read");
        into += read;
        size -= (size_t)read;
    }
}

static struct libxenvchan *serve(int domain, unsigned int number, size_t ring)
{
    char path[64];
    struct libxenvchan *channel;
    snprintf(path, sizeof(path), "data/vchan/%u", number);
    channel = libxenvchan_server_init(NULL, domain, path, ring, ring);
    if (!channel)
        fail("server-init");
    channel->blocking = 1;
    channel->server_persist = 1;
    return channel;
}

/* Until the client is there; from then on its leaving is an end. */
static void await_client(struct libxenvchan *channel)
{
    while (libxenvchan_is_open(channel) == 2)
        if (libxenvchan_wait(channel) < 0)
            fail("wait");
    channel->server_persist = 0;
}

static struct libxenvchan *connect_to(int domain, unsigned int number)
{
    char path[64];
    struct libxenvchan *channel;
    snprintf(path, sizeof(path), "/local/domain/%d/data/vchan/%u", domain, number);
    channel = libxenvchan_client_init(NULL, domain, path);
    if (channel)
        channel->blocking = 1;
    return channel;
}

/* Obeys orders on one channel until the client ends them. */
static void obey(struct libxenvchan *channel)
{
    struct order order;
    for (;;) {
        uint64_t left;
        receive_all(channel, &order, sizeof(order));
        if (order.kind == 3)
            return;
        for (left = (uint64_t)order.size * order.count; left > 0;) {
            size_t want = left < sizeof(buffer) ? (size_t)left : sizeof(buffer);
            int read = libxenvchan_read(channel, buffer, want);
            if (read <= 0)
                fail("read");
            left -= (uint64_t)read;
            if (order.kind == 1)
                send_all(channel, buffer, (size_t)read);
        }
        if (order.kind == 2)
            send_all(channel, "x", 1);
    }
}

static void server(int domain, unsigned int cycles)
{
    struct libxenvchan *control = serve(domain, 0, RING_SMALL), *channel;
    unsigned int number;
    char byte;
    await_client(control);
    for (number = 1; number <= cycles + 2 + COUNTED_CYCLES; number++) {
        int is_cycle = number <= cycles || number > cycles + 2;
        uint64_t start = now_ns();
        channel = serve(domain, number, number == cycles + 2 ? RING_LARGE : RING_SMALL);
        if (number <= cycles)
            note(&inits, now_ns() - start);
        send_all(control, "r", 1);
        await_client(channel);
        if (is_cycle) {
            receive_all(channel, &byte, 1);
            send_all(channel, &byte, 1);
        } else {
            obey(channel);
        }
        /* The client closes first and says so. */
        receive_all(control, &byte, 1);
        libxenvchan_close(channel);
    }
    print_times("@T", &inits);
}

/* Sends and receives `size` bytes as the rings take them. */
static void exchange(struct libxenvchan *channel, size_t size)
{
    size_t sent = 0, received = 0;
    channel->blocking = 0;
    while (received < size) {
        int wrote = sent < size ? libxenvchan_write(channel, buffer + sent, size - sent) : 0;
        int read = libxenvchan_read(channel, other + received, size - received);
        if (wrote < 0 || read < 0)
            fail("exchange");
        sent += (size_t)wrote;
        received += (size_t)read;
        if (wrote == 0 && read == 0 && libxenvchan_wait(channel) < 0)
            fail("wait");
    }
    channel->blocking = 1;
}

static void data(struct libxenvchan *channel, unsigned int ring)
{
    static const struct order echoes[] = {
        { 1, 1, 500 }, { 1, 64, 500 }, { 1, 1024, 300 }, { 1, 4096, 100 }, { 1, 16384, 50 }, { 1, 65536, 20 },
    };
    static const struct order sinks[] = {
        { 2, 1, 4096 }, { 2, 64, 4096 }, { 2, 1024, 512 }, { 2, 4096, 128 }, { 2, 16384, 32 }, { 2, 65536, 8 },
    };
    struct order end = { 3, 0, 0 };
    char name[32], byte;
    unsigned int which, turn;
    for (which = 0; which < sizeof(echoes) / sizeof(echoes[0]); which++) {
        struct order order = echoes[which];
        snprintf(name, sizeof(name), "vchan-rt-%u-%u", order.size, ring);
        trips.name = name;
        send_all(channel, &order, sizeof(order));
        for (turn = 0; turn < order.count; turn++) {
            uint64_t start = now_ns();
            exchange(channel, order.size);
            note(&trips, now_ns() - start);
        }
        print_times("@T", &trips);
        usleep(20000);
    }
    for (which = 0; which < sizeof(sinks) / sizeof(sinks[0]); which++) {
        struct order order = sinks[which];
        uint64_t start, ns;
        send_all(channel, &order, sizeof(order));
        usleep(2000);
        start = now_ns();
        for (turn = 0; turn < order.count; turn++)
            send_all(channel, buffer, order.size);
        receive_all(channel, &byte, 1);
        ns = now_ns() - start;
        printf("@T vchan-stream ring=%u size=%u bytes=%llu ns=%llu\n", ring, order.size,
               (unsigned long long)order.size * order.count, (unsigned long long)ns);
        fflush(stdout);
        usleep(20000);
    }
    send_all(channel, &end, sizeof(end));
}

static void client(int domain, unsigned int cycles)
{
    struct libxenvchan *control = NULL, *channel;
    unsigned int number, waited;
    char byte;
    for (waited = 0; !control && waited < PATIENCE_US; waited += LOOK_US) {
        control = connect_to(domain, 0);
        if (!control)
            usleep(LOOK_US);
    }
    if (!control)
        fail("no-server");
    for (number = 1; number <= cycles + 2 + COUNTED_CYCLES; number++) {
        int is_cycle = number <= cycles || number > cycles + 2, is_timed = number <= cycles;
        uint64_t start, connected, done;
        receive_all(control, &byte, 1);
        /* What the server does after it said so is not to be counted with the connect. */
        usleep(3000);
        start = now_ns();
        channel = connect_to(domain, number);
        connected = now_ns();
        if (!channel)
            fail("client-init");
        if (is_cycle) {
            if (is_timed)
                note(&connects, connected - start);
            usleep(3000);
            start = now_ns();
            send_all(channel, "x", 1);
            receive_all(channel, &byte, 1);
            if (is_timed)
                note(&firsts, now_ns() - start);
        } else {
            data(channel, number == cycles + 2 ? RING_LARGE : RING_SMALL);
        }
        usleep(3000);
        start = now_ns();
        libxenvchan_close(channel);
        done = now_ns();
        if (is_timed)
            note(&closes, done - start);
        if (number == cycles + 2) {
            print_times("@T", &connects);
            print_times("@T", &firsts);
            print_times("@T", &closes);
            printf("@T timed part=client\n");
            fflush(stdout);
            await_number("data/count");
        }
        send_all(control, "d", 1);
    }
}

int main(int argc, char **argv)
{
    unsigned int cycles;
    int domain;
    if (argc != 3)
        return 2;
    cycles = (unsigned int)atoi(argv[2]);
    domain = await_number("data/peer");
    if (strcmp(argv[1], "server") == 0)
        server(domain, cycles);
    else
        client(domain, cycles);
    printf("@T verdict=SUCCESS reason=measured\n");
    fflush(stdout);
    return 0;
}
