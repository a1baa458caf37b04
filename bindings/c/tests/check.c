/*
 * What tests/programs.rs runs, built with AddressSanitizer: check misuse|threads|nodevice FOLDER, where the folder has the weights.
 * It ends with 0, or says which line did not hold.
 */
#include "pixtape.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(holds)                                                                              \
    do {                                                                                          \
        if (!(holds)) {                                                                           \
            fprintf(stderr, "check.c:%d: %s; last error: %s\n", __LINE__, #holds,                 \
                    pixtape_last_error());                                                        \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

/* A call that fails with a status, and a message that has these words and is one line. */
#define REFUSED(call, status, words)                                                              \
    do {                                                                                          \
        CHECK((call) == (status));                                                                \
        CHECK(strstr(pixtape_last_error(), words) != NULL);                                       \
        CHECK(strchr(pixtape_last_error(), '\n') == NULL);                                        \
    } while (0)

#define ARGUMENT PIXTAPE_STATUS_ARGUMENT

enum { WIDTH = 37, HEIGHT = 29 };
static const size_t SIZE = (size_t)4 * WIDTH * HEIGHT;

static char folder[2000];

static const char *at(const char *name)
{
    static char path[2200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void fill(uint8_t *image, unsigned int seed)
{
    size_t i;
    for (i = 0; i < SIZE; i++)
        image[i] = (uint8_t)(i * 7 + i / 148 * 31 + seed * 13);
}

static pixtape_device *opened(void)
{
    pixtape_device *device = NULL;
    CHECK(pixtape_device_open(NULL, &device) == PIXTAPE_STATUS_OK && device != NULL);
    return device;
}

static pixtape_generator *loaded(const pixtape_device *device, const char *name)
{
    pixtape_generator *generator = NULL;
    CHECK(pixtape_generator_from_file(device, at(name), NULL, &generator) == PIXTAPE_STATUS_OK);
    return generator;
}

static pixtape_status translate(pixtape_generator *generator, const uint8_t *in, uint8_t *out)
{
    return pixtape_generator_translate(generator, WIDTH, HEIGHT, in, SIZE, 0, out, SIZE, 0);
}

/* A file of the folder. */
static uint8_t *bytes_of(const char *name, size_t *size)
{
    uint8_t *bytes;
    long end;
    FILE *file = fopen(at(name), "rb");
    CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
    end = ftell(file);
    CHECK(end > 0 && fseek(file, 0, SEEK_SET) == 0);
    *size = (size_t)end;
    bytes = malloc(*size);
    CHECK(bytes != NULL && fread(bytes, 1, *size, file) == *size);
    fclose(file);
    return bytes;
}

static void misused_lists_and_devices(void)
{
    pixtape_adapters *list = NULL;
    pixtape_device *device = NULL;

    REFUSED(pixtape_adapters_list(NULL), ARGUMENT, "`list` is NULL");
    CHECK(pixtape_adapters_count(NULL) == 0);
    CHECK(pixtape_adapters_name(NULL, 0) == NULL);
    pixtape_adapters_free(NULL);
    CHECK(pixtape_adapters_list(&list) == PIXTAPE_STATUS_OK);
    CHECK(pixtape_adapters_count(list) > 0);
    CHECK(strlen(pixtape_adapters_name(list, 0)) > 0);
    CHECK(pixtape_adapters_name(list, pixtape_adapters_count(list)) == NULL);
    CHECK(strstr(pixtape_last_error(), "`index`") != NULL);
    CHECK(pixtape_adapters_name(list, SIZE_MAX) == NULL);
    pixtape_adapters_free(list);

    REFUSED(pixtape_device_open(NULL, NULL), ARGUMENT, "`device` is NULL");
    /* What a failed call leaves is NULL, whatever was there. */
    device = (pixtape_device *)&device;
    REFUSED(pixtape_device_open("no such card", &device), PIXTAPE_STATUS_ADAPTER, "there are: 0 ");
    CHECK(device == NULL);
    REFUSED(pixtape_device_open("\xff", &device), ARGUMENT, "`adapter` is not UTF-8");
    REFUSED(pixtape_device_open("99", &device), PIXTAPE_STATUS_ADAPTER, "no such adapter");
    CHECK(pixtape_device_name(NULL) == NULL);
    pixtape_device_free(NULL);
    CHECK(pixtape_device_open("", &device) == PIXTAPE_STATUS_OK);
    CHECK(strlen(pixtape_device_name(device)) > 0);
    pixtape_device_free(device);
    CHECK(pixtape_device_open("0", &device) == PIXTAPE_STATUS_OK);
    pixtape_device_free(device);
}

static void misused_files(const pixtape_device *device)
{
    pixtape_generator *generator = NULL;
    uint8_t *bytes;
    size_t size;

    REFUSED(pixtape_generator_from_file(device, at("G"), NULL, NULL), ARGUMENT, "`generator` is");
    REFUSED(pixtape_generator_from_file(NULL, at("G"), NULL, &generator), ARGUMENT, "`device` is");
    REFUSED(pixtape_generator_from_file(device, NULL, NULL, &generator), ARGUMENT, "`path` is");
    REFUSED(pixtape_generator_from_file(device, "", NULL, &generator), ARGUMENT, "`path` is");
    REFUSED(pixtape_generator_from_file(device, at("G"), "\xc3", &generator), ARGUMENT, "`key` is");
    REFUSED(pixtape_generator_from_file(device, at("none"), NULL, &generator), PIXTAPE_STATUS_FILE,
            "no such file");
    REFUSED(pixtape_generator_from_file(device, at("G"), "netX", &generator), PIXTAPE_STATUS_FILE,
            "netX");
    REFUSED(pixtape_generator_from_file(device, at("text"), NULL, &generator), PIXTAPE_STATUS_FILE,
            "text: ");
    REFUSED(pixtape_generator_from_file(device, at("cut"), NULL, &generator), PIXTAPE_STATUS_FILE,
            "cut: ");
    REFUSED(pixtape_generator_from_file(device, at("labels"), NULL, &generator), PIXTAPE_STATUS_FILE,
            "label maps of 9 channels");
    REFUSED(pixtape_generator_from_file(device, at("two"), NULL, &generator), PIXTAPE_STATUS_FILE,
            "makes images of 2 channels");
    CHECK(generator == NULL);

    bytes = bytes_of("G", &size);
    REFUSED(pixtape_generator_from_bytes(device, NULL, size, NULL, &generator), ARGUMENT, "`data`");
    REFUSED(pixtape_generator_from_bytes(NULL, bytes, size, NULL, &generator), ARGUMENT, "`device`");
    REFUSED(pixtape_generator_from_bytes(device, bytes, size, NULL, NULL), ARGUMENT, "`generator`");
    REFUSED(pixtape_generator_from_bytes(device, bytes, SIZE_MAX, NULL, &generator), ARGUMENT, "data");
    REFUSED(pixtape_generator_from_bytes(device, bytes, 0, NULL, &generator), PIXTAPE_STATUS_FILE,
            "weights in memory: ");
    REFUSED(pixtape_generator_from_bytes(device, bytes, size - 1, NULL, &generator),
            PIXTAPE_STATUS_FILE, "weights in memory: ");
    CHECK(generator == NULL);
    free(bytes);
}

static void misused_generators(pixtape_generator *generator)
{
    uint8_t *in = malloc(SIZE), *out = malloc(SIZE), *mark = malloc(SIZE);
    const size_t row = (size_t)4 * WIDTH;
    CHECK(in != NULL && out != NULL && mark != NULL);
    fill(in, 1);
    memset(out, 7, SIZE);
    memcpy(mark, out, SIZE);

    CHECK(pixtape_generator_description(NULL) == NULL);
    CHECK(pixtape_generator_input_channels(NULL) == 0);
    CHECK(pixtape_generator_output_channels(NULL) == 0);
    CHECK(pixtape_generator_multiple(NULL) == 0);
    pixtape_generator_free(NULL);
    REFUSED(pixtape_generator_set_norm(NULL, 0), ARGUMENT, "`generator` is NULL");
    REFUSED(pixtape_generator_set_norm(generator, 3), ARGUMENT, "`norm` 3: choose");
    REFUSED(pixtape_generator_set_norm(generator, -1), ARGUMENT, "`norm` -1: choose");
    REFUSED(pixtape_generator_set_memory_limit(NULL, 0), ARGUMENT, "`generator` is NULL");
    REFUSED(pixtape_generator_prepare(NULL, 32, 32), ARGUMENT, "`generator` is NULL");
    REFUSED(pixtape_generator_prepare(generator, 0, 32), ARGUMENT, "`width` 0: ");
    REFUSED(pixtape_generator_prepare(generator, 32, UINT32_MAX), ARGUMENT, "`height` 4294967295: ");

    REFUSED(translate(NULL, in, out), ARGUMENT, "`generator` is NULL");
    REFUSED(translate(generator, NULL, out), ARGUMENT, "`input` is NULL");
    REFUSED(translate(generator, in, NULL), ARGUMENT, "`output` is NULL");
#define TRANSLATE(w, h, in_size, in_stride, out_size, out_stride)                                 \
    pixtape_generator_translate(generator, w, h, in, in_size, in_stride, out, out_size, out_stride)
    REFUSED(TRANSLATE(0, HEIGHT, SIZE, 0, SIZE, 0), ARGUMENT, "`width` 0: ");
    REFUSED(TRANSLATE(WIDTH, 0, SIZE, 0, SIZE, 0), ARGUMENT, "`height` 0: ");
    REFUSED(TRANSLATE(UINT32_MAX, HEIGHT, SIZE, 0, SIZE, 0), ARGUMENT, "`width` 4294967295: ");
    REFUSED(TRANSLATE(65536, 65536, SIZE, 0, SIZE, 0), ARGUMENT, "`input_size`");
    REFUSED(TRANSLATE(WIDTH, HEIGHT + 1, SIZE, 0, SIZE, 0), ARGUMENT, "`input_size`");
    REFUSED(TRANSLATE(WIDTH, HEIGHT, SIZE - 1, 0, SIZE, 0), ARGUMENT, "`input_size`");
    REFUSED(TRANSLATE(WIDTH, HEIGHT, SIZE, 0, SIZE - 1, 0), ARGUMENT, "`output_size`");
    REFUSED(TRANSLATE(WIDTH, HEIGHT, SIZE, 0, 0, 0), ARGUMENT, "`output_size` 0: ");
    REFUSED(TRANSLATE(WIDTH, HEIGHT, SIZE, row - 1, SIZE, 0), ARGUMENT, "`input_stride`");
    REFUSED(TRANSLATE(WIDTH, HEIGHT, SIZE, 0, SIZE, row - 1), ARGUMENT, "`output_stride`");
    REFUSED(TRANSLATE(WIDTH, HEIGHT, SIZE, row + 1, SIZE, 0), ARGUMENT, "`input_size`");
    REFUSED(TRANSLATE(WIDTH, HEIGHT, SIZE, SIZE_MAX, SIZE, 0), ARGUMENT, "more than memory");
    REFUSED(TRANSLATE(WIDTH, HEIGHT, SIZE_MAX, SIZE_MAX / 2, SIZE, 0), ARGUMENT, "more than memory");
    CHECK(memcmp(out, mark, SIZE) == 0);

    /* It still works after all that. */
    CHECK(translate(generator, in, out) == PIXTAPE_STATUS_OK);
    CHECK(memcmp(out, mark, SIZE) != 0);
    free(in);
    free(out);
    free(mark);
}

/* In place, with gaps between rows, from memory, in strips: the same image. */
static void ways_to_the_same_image(const pixtape_device *device, pixtape_generator *generator)
{
    uint8_t *in = malloc(SIZE), *out = malloc(SIZE), *other = malloc(SIZE), *bytes;
    const size_t row = (size_t)4 * WIDTH, gap = row + 13, wide = gap * (HEIGHT - 1) + row;
    uint8_t *spaced = malloc(wide);
    pixtape_generator *again = NULL;
    uint64_t limit;
    size_t size, y;
    CHECK(in != NULL && out != NULL && other != NULL && spaced != NULL);
    fill(in, 2);
    CHECK(translate(generator, in, out) == PIXTAPE_STATUS_OK);
    for (y = 0; y < SIZE; y += 4)
        CHECK(out[y + 3] == in[y + 3]);

    memcpy(other, in, SIZE);
    CHECK(translate(generator, other, other) == PIXTAPE_STATUS_OK);
    CHECK(memcmp(other, out, SIZE) == 0);

    memset(spaced, 99, wide);
    for (y = 0; y < HEIGHT; y++)
        memcpy(spaced + y * gap, in + y * row, row);
    CHECK(pixtape_generator_translate(generator, WIDTH, HEIGHT, spaced, wide, gap, spaced, wide, gap)
          == PIXTAPE_STATUS_OK);
    for (y = 0; y < HEIGHT; y++) {
        CHECK(memcmp(spaced + y * gap, out + y * row, row) == 0);
        CHECK(y + 1 == HEIGHT || (spaced[y * gap + row] == 99 && spaced[(y + 1) * gap - 1] == 99));
    }

    bytes = bytes_of("G", &size);
    CHECK(pixtape_generator_from_bytes(device, bytes, size, "", &again) == PIXTAPE_STATUS_OK);
    free(bytes);
    CHECK(pixtape_generator_prepare(again, WIDTH, HEIGHT) == PIXTAPE_STATUS_OK);
    CHECK(translate(again, in, other) == PIXTAPE_STATUS_OK && memcmp(other, out, SIZE) == 0);

    /* The least memory that serves is that of strips. */
    CHECK(pixtape_generator_set_memory_limit(again, 1) == PIXTAPE_STATUS_OK);
    REFUSED(translate(again, in, other), PIXTAPE_STATUS_MEMORY, "`memory_limit`");
    for (limit = 1 << 16; translate(again, in, other) != PIXTAPE_STATUS_OK; limit += limit / 16) {
        CHECK(limit < 1 << 28);
        CHECK(pixtape_generator_set_memory_limit(again, limit) == PIXTAPE_STATUS_OK);
    }
    /* The same up to rounding. */
    for (y = 0; y < SIZE; y++)
        CHECK(abs(other[y] - out[y]) <= 1);
    CHECK(pixtape_generator_set_memory_limit(again, 0) == PIXTAPE_STATUS_OK);
    CHECK(pixtape_generator_set_norm(again, PIXTAPE_NORM_RUNNING) == PIXTAPE_STATUS_OK);
    CHECK(translate(again, in, other) == PIXTAPE_STATUS_OK && memcmp(other, out, SIZE) != 0);
    CHECK(pixtape_generator_set_norm(again, PIXTAPE_NORM_BATCH) == PIXTAPE_STATUS_OK);
    CHECK(translate(again, in, other) == PIXTAPE_STATUS_OK && memcmp(other, out, SIZE) == 0);
    pixtape_generator_free(again);
    free(in);
    free(out);
    free(other);
    free(spaced);
}

/* Gray, and alpha of the net's own. */
static void other_channels(const pixtape_device *device)
{
    uint8_t *in = malloc(SIZE), *out = malloc(SIZE);
    pixtape_generator *gray = loaded(device, "gray"), *rgba = loaded(device, "rgba");
    size_t i, changed = 0;
    CHECK(in != NULL && out != NULL);
    fill(in, 3);
    CHECK(pixtape_generator_input_channels(gray) == 1);
    CHECK(pixtape_generator_output_channels(gray) == 1);
    CHECK(translate(gray, in, out) == PIXTAPE_STATUS_OK);
    for (i = 0; i < SIZE; i += 4)
        CHECK(out[i] == out[i + 1] && out[i] == out[i + 2] && out[i + 3] == in[i + 3]);
    CHECK(pixtape_generator_input_channels(rgba) == 4);
    CHECK(pixtape_generator_output_channels(rgba) == 4);
    CHECK(translate(rgba, in, out) == PIXTAPE_STATUS_OK);
    for (i = 0; i < SIZE; i += 4)
        changed += out[i + 3] != in[i + 3];
    CHECK(changed > WIDTH);
    pixtape_generator_free(gray);
    pixtape_generator_free(rgba);
    free(in);
    free(out);
}

static void misuse(void)
{
    pixtape_device *device;
    pixtape_generator *generator;
    CHECK(strcmp(pixtape_last_error(), "") == 0);
    CHECK(strlen(pixtape_version()) > 0 && pixtape_abi_version() == PIXTAPE_ABI_VERSION);
    misused_lists_and_devices();
    device = opened();
    misused_files(device);
    generator = loaded(device, "G");
    CHECK(strstr(pixtape_generator_description(generator), "U-Net") != NULL);
    CHECK(pixtape_generator_input_channels(generator) == 3);
    CHECK(pixtape_generator_output_channels(generator) == 3);
    CHECK(pixtape_generator_multiple(generator) == 32);
    misused_generators(generator);
    ways_to_the_same_image(device, generator);
    other_channels(device);
    /* A device may go before what is on it. */
    pixtape_device_free(device);
    misused_generators(generator);
    pixtape_generator_free(generator);
}

enum { THREADS = 4, TURNS = 6 };

struct work {
    const pixtape_device *device;
    pixtape_generator *shared;
    unsigned int number;
    const uint8_t *wanted;
};

/* Translates on a generator that all have, and on one of its own; fails on purpose between. */
static void *work(void *given)
{
    const struct work *work = given;
    uint8_t *in = malloc(SIZE), *out = malloc(SIZE);
    pixtape_generator *own = loaded(work->device, "G");
    char name[32];
    int turn;
    CHECK(in != NULL && out != NULL);
    fill(in, work->number);
    snprintf(name, sizeof name, "`norm` %u: ", 100 + work->number);
    for (turn = 0; turn < TURNS; turn++) {
        CHECK(translate(work->shared, in, out) == PIXTAPE_STATUS_OK);
        CHECK(memcmp(out, work->wanted, SIZE) == 0);
        REFUSED(pixtape_generator_set_norm(work->shared, (int32_t)(100 + work->number)), ARGUMENT,
                "choose");
        CHECK(translate(own, in, out) == PIXTAPE_STATUS_OK);
        CHECK(memcmp(out, work->wanted, SIZE) == 0);
        /* Not the text of another thread, which fails at the same time. */
        CHECK(strncmp(pixtape_last_error(), name, strlen(name)) == 0);
    }
    pixtape_generator_free(own);
    free(in);
    free(out);
    return NULL;
}

static void threads(void)
{
    pixtape_device *device = opened();
    pixtape_generator *generator = loaded(device, "G");
    pthread_t ids[THREADS];
    struct work works[THREADS];
    uint8_t *in = malloc(SIZE), *wanted[THREADS];
    unsigned int i;
    CHECK(in != NULL);
    for (i = 0; i < THREADS; i++) {
        wanted[i] = malloc(SIZE);
        CHECK(wanted[i] != NULL);
        fill(in, i);
        CHECK(translate(generator, in, wanted[i]) == PIXTAPE_STATUS_OK);
        CHECK(i == 0 || memcmp(wanted[i], wanted[0], SIZE) != 0);
    }
    for (i = 0; i < THREADS; i++) {
        works[i].device = device;
        works[i].shared = generator;
        works[i].number = i;
        works[i].wanted = wanted[i];
        CHECK(pthread_create(&ids[i], NULL, work, &works[i]) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        CHECK(pthread_join(ids[i], NULL) == 0);
        free(wanted[i]);
    }
    free(in);
    pixtape_generator_free(generator);
    pixtape_device_free(device);
}

/* On a machine without an adapter. */
static void nodevice(void)
{
    pixtape_adapters *list = NULL;
    pixtape_device *device = NULL;
    CHECK(pixtape_adapters_list(&list) == PIXTAPE_STATUS_OK);
    CHECK(pixtape_adapters_count(list) == 0);
    pixtape_adapters_free(list);
    REFUSED(pixtape_device_open(NULL, &device), PIXTAPE_STATUS_ADAPTER, "no graphics adapter found");
    CHECK(device == NULL);
}

int main(int count, char **words)
{
    if (count == 3 && strlen(words[2]) < sizeof folder) {
        strcpy(folder, words[2]);
        if (strcmp(words[1], "misuse") == 0)
            return misuse(), 0;
        if (strcmp(words[1], "threads") == 0)
            return threads(), 0;
        if (strcmp(words[1], "nodevice") == 0)
            return nodevice(), 0;
    }
    fprintf(stderr, "usage: check misuse|threads|nodevice FOLDER\n");
    return 2;
}
