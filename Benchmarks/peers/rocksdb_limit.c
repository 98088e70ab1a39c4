// The limits for storage: RocksDB alone, through the same C API and options as a guild node's stores.
//
// usage: rocksdb_limit write DIR BYTES BATCH SECONDS   synced batches of BATCH rows of BYTES; prints rows a second
//        rocksdb_limit fill DIR BYTES CHANNELS ROWS     loads ROWS rows of BYTES into each of CHANNELS channels
//        rocksdb_limit pages DIR CHANNELS SECONDS       newest-50 pages of random channels; prints pages a second
#include <rocksdb/c.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char *failure;

static void check(void) {
    if (failure) {
        fprintf(stderr, "%s\n", failure);
        exit(1);
    }
}

static double now_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static uint64_t seed = 88172645463325252ull;

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void fill_text(char *value, size_t length) {
    static const char *words[] = {"hello ", "the ", "message ", "server ", "game ", "tonight ", "what ", "channel "};
    size_t at = 0;
    while (at < length) {
        const char *word = words[next_random() & 7];
        size_t count = strlen(word);
        if (count > length - at) count = length - at;
        memcpy(value + at, word, count);
        at += count;
    }
}

static void write_integer(char *key, uint64_t value) {
    for (int i = 7; i >= 0; i--, value >>= 8) key[i] = (char)value;
}

static rocksdb_t *open_store(const char *folder) {
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_bottommost_compression(options, rocksdb_zstd_compression);
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_block_cache(table, rocksdb_cache_create_lru(256 << 20));
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_t *store = rocksdb_open(options, folder, &failure);
    check();
    return store;
}

static void write_batches(const char *folder, size_t bytes, int batch_rows, double seconds) {
    rocksdb_t *store = open_store(folder);
    rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(options, 1);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    // As in a guild node's log: two bytes of slot, eight of index.
    char key[10], *value = malloc(bytes);
    fill_text(value, bytes);
    uint64_t rows = 0;
    double began = now_seconds(), ended;
    do {
        for (int i = 0; i < batch_rows; i++) {
            uint64_t slot = next_random() % 1024;
            key[0] = (char)(slot >> 8);
            key[1] = (char)slot;
            write_integer(key + 2, rows++);
            rocksdb_writebatch_put(batch, key, sizeof key, value, bytes);
        }
        rocksdb_write(store, options, batch, &failure);
        check();
        rocksdb_writebatch_clear(batch);
        ended = now_seconds();
    } while (ended - began < seconds);
    printf("%.1f\n", (double)rows / (ended - began));
    rocksdb_close(store);
}

static void fill(const char *folder, size_t bytes, uint64_t channels, uint64_t rows) {
    rocksdb_t *store = open_store(folder);
    rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    char key[16], *value = malloc(bytes);
    for (uint64_t row = 0; row < rows; row++) {
        for (uint64_t channel = 0; channel < channels; channel++) {
            fill_text(value, bytes);
            write_integer(key, channel);
            write_integer(key + 8, ~row);
            rocksdb_writebatch_put(batch, key, sizeof key, value, bytes);
        }
        rocksdb_write(store, options, batch, &failure);
        check();
        rocksdb_writebatch_clear(batch);
    }
    rocksdb_compact_range(store, NULL, 0, NULL, 0);
    rocksdb_close(store);
}

static void read_pages(const char *folder, uint64_t channels, double seconds) {
    rocksdb_t *store = open_store(folder);
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    uint64_t pages = 0, bytes = 0;
    double began = now_seconds(), ended;
    do {
        char key[16] = {0};
        uint64_t channel = next_random() % channels;
        write_integer(key, channel);
        rocksdb_iterator_t *iterator = rocksdb_create_iterator(store, options);
        rocksdb_iter_seek(iterator, key, sizeof key);
        for (int row = 0; row < 50 && rocksdb_iter_valid(iterator); row++) {
            size_t length;
            rocksdb_iter_value(iterator, &length);
            bytes += length;
            rocksdb_iter_next(iterator);
        }
        rocksdb_iter_destroy(iterator);
        pages++;
        ended = now_seconds();
    } while (ended - began < seconds);
    if (bytes == 0) {
        fprintf(stderr, "the store is empty\n");
        exit(1);
    }
    printf("%.1f\n", (double)pages / (ended - began));
    rocksdb_close(store);
}

int main(int count, char **arguments) {
    if (count == 6 && !strcmp(arguments[1], "write"))
        write_batches(arguments[2], strtoul(arguments[3], NULL, 10), atoi(arguments[4]), atof(arguments[5]));
    else if (count == 6 && !strcmp(arguments[1], "fill"))
        fill(arguments[2], strtoul(arguments[3], NULL, 10), strtoul(arguments[4], NULL, 10),
             strtoul(arguments[5], NULL, 10));
    else if (count == 5 && !strcmp(arguments[1], "pages"))
        read_pages(arguments[2], strtoul(arguments[3], NULL, 10), atof(arguments[4]));
    else {
        fprintf(stderr, "usage: rocksdb_limit write|fill|pages …\n");
        return 2;
    }
    return 0;
}
