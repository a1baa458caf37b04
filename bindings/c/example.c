/*
 * Translates an image with a generator: example WEIGHTS INPUT.ppm OUTPUT.ppm [ADAPTER]
 *
 *   cc example.c -Iinclude -Lpath/to/target/release -lpixtape -o example
 */
#include "pixtape.h"
#include <stdio.h>
#include <stdlib.h>

/* Reads a binary PPM of 8 bits as RGBA, opaque. NULL for anything else. */
static uint8_t *read_ppm(const char *path, uint32_t *width, uint32_t *height)
{
    unsigned int most;
    size_t pixels, i;
    uint8_t *rgba = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    if (fscanf(file, "P6 %u %u %u", width, height, &most) == 3 && most == 255 && fgetc(file) != EOF
        && *width > 0 && *width <= 16384 && *height > 0 && *height <= 16384) {
        pixels = (size_t)*width * *height;
        rgba = malloc(4 * pixels);
        for (i = 0; rgba != NULL && i < pixels; i++) {
            rgba[4 * i + 3] = 255;
            if (fread(rgba + 4 * i, 1, 3, file) != 3) {
                free(rgba);
                rgba = NULL;
            }
        }
    }
    fclose(file);
    return rgba;
}

static int write_ppm(const char *path, const uint8_t *rgba, uint32_t width, uint32_t height)
{
    size_t i;
    int written;
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return 0;
    written = fprintf(file, "P6\n%u %u\n255\n", width, height) > 0;
    for (i = 0; i < (size_t)width * height; i++)
        written &= fwrite(rgba + 4 * i, 1, 3, file) == 3;
    return fclose(file) == 0 && written;
}

int main(int count, char **words)
{
    pixtape_device *device = NULL;
    pixtape_generator *generator = NULL;
    uint8_t *image = NULL;
    uint32_t width, height;
    size_t size;
    int code = 1;

    if (count < 4) {
        fprintf(stderr, "usage: %s WEIGHTS INPUT.ppm OUTPUT.ppm [ADAPTER]\n", words[0]);
        return 1;
    }
    if (pixtape_abi_version() != PIXTAPE_ABI_VERSION) {
        fprintf(stderr, "error: pixtape.h and libpixtape (%s) do not match\n", pixtape_version());
        return 1;
    }
    image = read_ppm(words[2], &width, &height);
    if (image == NULL) {
        fprintf(stderr, "error: %s is not a PPM of 8 bits (P6)\n", words[2]);
        return 1;
    }
    size = (size_t)4 * width * height;

    if (pixtape_device_open(count > 4 ? words[4] : NULL, &device) != PIXTAPE_STATUS_OK)
        goto failed;
    if (pixtape_generator_from_file(device, words[1], NULL, &generator) != PIXTAPE_STATUS_OK)
        goto failed;
    printf("%s on %s\n", pixtape_generator_description(generator), pixtape_device_name(device));
    /* Without gaps between the rows, and in place. */
    if (pixtape_generator_translate(generator, width, height, image, size, 0, image, size, 0)
        != PIXTAPE_STATUS_OK)
        goto failed;
    if (write_ppm(words[3], image, width, height))
        code = 0;
    else
        fprintf(stderr, "error: %s cannot be written\n", words[3]);
    goto done;

failed:
    fprintf(stderr, "error: %s\n", pixtape_last_error());
done:
    pixtape_generator_free(generator);
    pixtape_device_free(device);
    free(image);
    return code;
}
