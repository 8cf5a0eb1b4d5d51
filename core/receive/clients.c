/* SPDX-License-Identifier: ISC */
/*
 * clients: a hash table of buckets. A client's entries are all in the one bucket that its address
 * selects, so that counting is a walk through that bucket.
 *
 * The owner of an entry is a ticket: a number that one process alone ever had, and that says which
 * place it holds. It is alive while that place still has it. Everything is atomic, but a sum over
 * several processes is no snapshot: it may be off by what happens at the same time.
 */
#include "receive/clients.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PLACES 256 /* processes at a time, those of older generations included */
#define STARTED_MAX (UINT32_MAX / PLACES) /* then tickets begin anew */
#define BUCKET_SIZE 32
#define BEING_TAKEN ((uint64_t)1 << 32) /* beside a ticket: the entry is not filled in yet */

struct entry {
    _Atomic uint64_t owner; /* a ticket; 0: nobody */
    _Atomic uint64_t key[2];
    _Atomic uint32_t connections;
    _Atomic uint32_t unit; /* of time, that events were counted in */
    _Atomic uint32_t events[CLIENT_EVENT_COUNT];
};

struct bucket {
    struct entry entries[BUCKET_SIZE];
};

/* What is in the memory. */
struct block {
    _Atomic uint64_t seed;           /* so that nobody can aim at a bucket */
    _Atomic uint32_t started;        /* processes so far */
    _Atomic uint64_t places[PLACES]; /* process id << 32 | ticket; 0: free */
    struct bucket buckets[];
};

struct clients {
    struct block *block;
    size_t bucket_count;
    struct clients_rules rules;
    uint64_t ticket;
    size_t swept; /* buckets; where to go on */
};

struct key {
    uint64_t words[2];
};

/* ---- places ---------------------------------------------------------------------------------- */

static size_t place_of(uint64_t ticket)
{
    return ticket % PLACES;
}

static bool is_alive(const struct clients *clients, uint64_t ticket)
{
    return (uint32_t)clients->block->places[place_of(ticket)] == (uint32_t)ticket;
}

/* Its process is gone, or its number is ours now. */
static bool is_abandoned(uint64_t place)
{
    pid_t pid = (pid_t)(place >> 32);

    return place != 0 && (pid == getpid() || (kill(pid, 0) == -1 && errno == ESRCH));
}

static void clear_abandoned(struct block *block)
{
    for (size_t i = 0; i < PLACES; i++) {
        uint64_t place = block->places[i];
        if (is_abandoned(place))
            (void)atomic_compare_exchange_strong(&block->places[i], &place, 0); /* or another did */
    }
}

/* False: all are held. */
static bool take_place(struct clients *clients)
{
    struct block *block = clients->block;
    uint32_t number = atomic_fetch_add(&block->started, 1) % STARTED_MAX + 1;

    for (size_t i = 0; i < PLACES; i++) {
        uint64_t none = 0;
        uint64_t ticket = (uint32_t)(number * PLACES + i);
        uint64_t place = (uint64_t)getpid() << 32 | ticket;
        if (atomic_compare_exchange_strong(&block->places[i], &none, place)) {
            clients->ticket = ticket;
            return true;
        }
    }
    return false;
}

static void set_seed(struct block *block)
{
    uint64_t none = 0;
    uint64_t seed = 0;

    /* Early in the life of a machine there is none to be had: then the address of something does. */
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
        seed = (uintptr_t)block ^ (uint64_t)clock_wall_ms();
    (void)atomic_compare_exchange_strong(&block->seed, &none,
                                         seed | 1); /* the first one's counts */
}

sluice_status clients_open(void *memory, size_t size, const struct clients_rules *rules,
                           struct clients **ret_clients, struct error *err)
{
    struct clients *clients = calloc(1, sizeof(*clients));

    if (clients == NULL)
        return error_set(err, SLUICE_TEMP, "no memory for counting clients");
    *clients = (struct clients){.block = memory, .rules = *rules};
    if (size > sizeof(struct block))
        clients->bucket_count = (size - sizeof(struct block)) / sizeof(struct bucket);
    if (clients->bucket_count > 0) {
        set_seed(clients->block);
        clear_abandoned(clients->block);
    }
    if (clients->bucket_count == 0 || !take_place(clients)) {
        free(clients);
        return error_set(err, SLUICE_TEMP, "no place for counting clients");
    }
    *ret_clients = clients;
    return SLUICE_OK;
}

void clients_close(struct clients *clients)
{
    if (clients == NULL)
        return;
    atomic_store(&clients->block->places[place_of(clients->ticket)], 0);
    free(clients);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static struct key key_of(const struct clients *clients, const struct address *address)
{
    unsigned char bytes[16] = {[10] = 0xff, [11] = 0xff}; /* IPv4 as an IPv6 address */
    struct sluice_span raw = address_bytes(address);
    unsigned prefix = raw.len == 4 ? 96 + clients->rules.ipv4_prefix : clients->rules.ipv6_prefix;
    struct key key;

    if (raw.len > 0)
        memcpy(bytes + sizeof(bytes) - raw.len, raw.ptr, raw.len);
    for (unsigned bit = prefix; bit < 128; bit++)
        bytes[bit / 8] &= (unsigned char)~(0x80 >> bit % 8);
    memcpy(key.words, bytes, sizeof(key.words));
    return key;
}

/* Murmur's finalizer. */
static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

static struct bucket *bucket_of(const struct clients *clients, const struct key *key)
{
    uint64_t hash = mix(mix(key->words[0] ^ clients->block->seed) ^ key->words[1]);

    return &clients->block->buckets[hash % clients->bucket_count];
}

static bool has_key(const struct entry *entry, const struct key *key)
{
    return entry->key[0] == key->words[0] && entry->key[1] == key->words[1];
}

/* ---- entries --------------------------------------------------------------------------------- */

static uint32_t unit_now(const struct clients *clients)
{
    return (uint32_t)(clock_monotonic_ms() / clients->rules.unit_ms);
}

/* Says nothing any more. Only its owner may ask. */
static bool is_idle(const struct clients *clients, const struct entry *entry)
{
    return entry->connections == 0 &&
           (!clients->rules.has_rates || entry->unit != unit_now(clients));
}

/* Gives back what is idle of our own: with each connection in another bucket. */
static void sweep(struct clients *clients)
{
    struct bucket *bucket = &clients->block->buckets[clients->swept];

    clients->swept = (clients->swept + 1) % clients->bucket_count;
    for (size_t i = 0; i < BUCKET_SIZE; i++) {
        struct entry *entry = &bucket->entries[i];
        if (entry->owner == clients->ticket && is_idle(clients, entry))
            atomic_store(&entry->owner, 0);
    }
}

/* May be taken: nobody's, one of a process that is gone, or an idle one of ours. */
static bool is_free(const struct clients *clients, const struct entry *entry, uint64_t owner)
{
    if (owner == clients->ticket)
        return is_idle(clients, entry);
    return owner == 0 || !is_alive(clients, owner);
}

static bool take(struct clients *clients, struct entry *entry, const struct key *key)
{
    uint64_t owner = entry->owner;

    if (!is_free(clients, entry, owner) ||
        !atomic_compare_exchange_strong(&entry->owner, &owner, clients->ticket | BEING_TAKEN))
        return false;
    entry->key[0] = key->words[0];
    entry->key[1] = key->words[1];
    entry->connections = 0;
    entry->unit = unit_now(clients);
    for (size_t i = 0; i < CLIENT_EVENT_COUNT; i++)
        entry->events[i] = 0;
    atomic_store(&entry->owner, clients->ticket);
    return true;
}

/* This process's entry for the client, or NULL: there is no room. */
static struct entry *find_own(struct clients *clients, const struct key *key)
{
    struct bucket *bucket = bucket_of(clients, key);

    for (size_t i = 0; i < BUCKET_SIZE; i++) {
        if (bucket->entries[i].owner == clients->ticket && has_key(&bucket->entries[i], key))
            return &bucket->entries[i];
    }
    for (size_t i = 0; i < BUCKET_SIZE; i++) {
        if (take(clients, &bucket->entries[i], key))
            return &bucket->entries[i];
    }
    return NULL;
}

static struct entry *first_entry(const struct clients *clients)
{
    return &clients->block->buckets[0].entries[0];
}

static struct entry *entry_at(const struct clients *clients, uint32_t number)
{
    return first_entry(clients) + (number - 1);
}

/* ---- counting -------------------------------------------------------------------------------- */

/* The client's number in one entry, by any process: connections, or events of the present unit. */
static unsigned number_in(const struct entry *entry, uint32_t unit, int event)
{
    if (event < 0)
        return entry->connections;
    return entry->unit == unit ? entry->events[event] : 0;
}

#define ALL_CONNECTIONS (-1)

static unsigned sum(const struct clients *clients, const struct entry *own, int event)
{
    struct key key = {.words = {own->key[0], own->key[1]}};
    const struct bucket *bucket = bucket_of(clients, &key);
    uint32_t unit = unit_now(clients);
    unsigned total = 0;

    for (size_t i = 0; i < BUCKET_SIZE; i++) {
        const struct entry *entry = &bucket->entries[i];
        uint64_t owner = entry->owner;
        if (owner != 0 && (owner & BEING_TAKEN) == 0 && has_key(entry, &key) &&
            is_alive(clients, owner))
            total += number_in(entry, unit, event);
    }
    return total;
}

void clients_add(struct clients *clients, uint32_t number, enum client_event event)
{
    uint32_t unit = unit_now(clients);

    if (number == 0)
        return;
    struct entry *entry = entry_at(clients, number);
    if (entry->unit != unit) {
        for (size_t i = 0; i < CLIENT_EVENT_COUNT; i++)
            entry->events[i] = 0;
        entry->unit = unit;
    }
    entry->events[event]++;
}

unsigned clients_rate(const struct clients *clients, uint32_t number, enum client_event event)
{
    return number != 0 ? sum(clients, entry_at(clients, number), (int)event) : 0;
}

unsigned clients_connect(struct clients *clients, const struct address *address,
                         uint32_t *ret_entry)
{
    struct key key = key_of(clients, address);

    sweep(clients);
    struct entry *entry = find_own(clients, &key);
    *ret_entry = 0;
    if (entry == NULL)
        return 0;
    *ret_entry = (uint32_t)(entry - first_entry(clients)) + 1;
    entry->connections++;
    clients_add(clients, *ret_entry, CLIENT_CONNECTION);
    return sum(clients, entry, ALL_CONNECTIONS);
}

void clients_disconnect(struct clients *clients, uint32_t number)
{
    if (number != 0)
        entry_at(clients, number)->connections--;
}
