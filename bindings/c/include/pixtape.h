/*
 * pixtape: images through pix2pix, CycleGAN and pix2pixHD generators, on any GPU.
 *
 * Made by cbindgen from bindings/c/src: changes go there, and `bindings/test --header` writes it again.
 *
 * Errors: a function that can fail returns a pixtape_status, PIXTAPE_STATUS_OK (0) if it did not;
 * pixtape_last_error() then says in one line what failed, where, and what to try. A handle that it
 * would have given is NULL then. NULL where the comment does not allow it, and sizes that do not fit,
 * are errors (PIXTAPE_STATUS_ARGUMENT) and not crashes. A pointer that is not NULL is trusted to point
 * at what the comment says, of the given size, not freed: anything else is undefined behaviour.
 *
 * Ownership: lists, devices and generators belong to the caller, who frees each once with the _free
 * of its kind, in any order: a generator keeps its device open. Nothing else is to be freed. Texts are
 * UTF-8 and end in 0; one that is got from a handle is valid until the handle is freed.
 *
 * Threads: every function may be called from any thread, at the same time as others and with the same
 * handle, except that a handle is freed when no other call uses it. Calls on one generator wait for
 * each other; calls on different generators need not. pixtape_last_error() is of the calling thread.
 * After fork() the child does not use handles of its parent.
 */


#ifndef PIXTAPE_H
#define PIXTAPE_H

#include <stddef.h>
#include <stdint.h>

/**
 * The interface that this header describes. It grows by functions and constants, never by other
 * meanings of what is there; a library for which pixtape_abi_version() is another number is
 * another interface.
 */
#define PIXTAPE_ABI_VERSION 1

/**
 * Largest width and height of an image, in pixels. Devices may set a smaller one.
 */
#define PIXTAPE_MAX_SIDE 65536

/**
 * The result of a call. pixtape_last_error() has the text.
 */
enum pixtape_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Success.
   */
  PIXTAPE_STATUS_OK = 0,
  /**
   * An argument is invalid: NULL, a buffer too small, a size that the net does not take.
   */
  PIXTAPE_STATUS_ARGUMENT = 1,
  /**
   * A file cannot be read, is broken, or holds no generator that goes from image to image.
   */
  PIXTAPE_STATUS_FILE = 2,
  /**
   * There is no adapter, none of that name, or it lacks something.
   */
  PIXTAPE_STATUS_ADAPTER = 3,
  /**
   * The device's memory, or the limit that was set, is too small.
   */
  PIXTAPE_STATUS_MEMORY = 4,
  /**
   * The device was lost. Free it and its generators, and open it again.
   */
  PIXTAPE_STATUS_DEVICE_LOST = 5,
  /**
   * A bug in the library.
   */
  PIXTAPE_STATUS_INTERNAL = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum pixtape_status pixtape_status;
#else
typedef int32_t pixtape_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Which statistics the norms of a net use.
 */
enum pixtape_norm
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Those of each image, as pix2pix does it: the default.
   */
  PIXTAPE_NORM_BATCH = 0,
  /**
   * Those that the training has kept, where the file has some.
   */
  PIXTAPE_NORM_RUNNING = 1,
  /**
   * Those of each image; the same as batch for one image.
   */
  PIXTAPE_NORM_INSTANCE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum pixtape_norm pixtape_norm;
#else
typedef int32_t pixtape_norm;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The adapters of this machine, as they were when the list was made.
 */
typedef struct pixtape_adapters pixtape_adapters;

/**
 * A device: an adapter that was opened, with the kernels compiled on it so far.
 */
typedef struct pixtape_device pixtape_device;

/**
 * A generator on a device.
 */
typedef struct pixtape_generator pixtape_generator;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The library's version, "0.1.0": a constant text. Never NULL.
 */
const char *pixtape_version(void);

/**
 * The interface that the library has: PIXTAPE_ABI_VERSION of the header that it was built with.
 */
uint32_t pixtape_abi_version(void);

/**
 * Lists the adapters, best first: GPUs before drivers that compute on the CPU. Where there are none
 * the list is empty. Free it with pixtape_adapters_free.
 */
pixtape_status pixtape_adapters_list(pixtape_adapters **list);

/**
 * How many adapters a list has; 0 for NULL.
 */
size_t pixtape_adapters_count(const pixtape_adapters *list);

/**
 * Interface and name of an adapter in a list, "Vulkan NVIDIA GeForce RTX 4070". index: 0 to count - 1;
 * NULL for others.
 */
const char *pixtape_adapters_name(const pixtape_adapters *list,
                                  size_t index);

/**
 * Frees a list; NULL is ignored.
 */
void pixtape_adapters_free(pixtape_adapters *list);

/**
 * Opens a device. adapter: its index in the list as a text ("1"), or part of its name ("nvidia",
 * "gl"; case does not matter); NULL or "" takes the best. Free it with pixtape_device_free.
 */
pixtape_status pixtape_device_open(const char *adapter, pixtape_device **device);

/**
 * Interface and name of a device's adapter; NULL for NULL.
 */
const char *pixtape_device_name(const pixtape_device *device);

/**
 * Frees a device; NULL is ignored. Generators on it keep working.
 */
void pixtape_device_free(pixtape_device *device);

/**
 * The message of the last call that failed on this thread, one line: what, where, what to try. ""
 * if none has failed. Never NULL. Valid until another call fails on this thread, or it ends.
 */
const char *pixtape_last_error(void);

/**
 * Reads a generator from a file (safetensors, .pth of PyTorch, .pict) or from a run's folder (its
 * latest weights). path: UTF-8. key: of several networks in a .pth the one at this key, "netG", with
 * dots for nesting; NULL or "" takes the only generator. Free it with pixtape_generator_free.
 */
pixtape_status pixtape_generator_from_file(const pixtape_device *device,
                                           const char *path,
                                           const char *key,
                                           pixtape_generator **generator);

/**
 * Like pixtape_generator_from_file, from the bytes of such a file in memory. They are not needed
 * after the call.
 */
pixtape_status pixtape_generator_from_bytes(const pixtape_device *device,
                                            const uint8_t *data,
                                            size_t size,
                                            const char *key,
                                            pixtape_generator **generator);

/**
 * Which net it is, "U-Net of 8 halvings"; NULL for NULL.
 */
const char *pixtape_generator_description(const pixtape_generator *generator);

/**
 * Channels that the net reads: 1, 3 or 4; 0 for NULL. Images are given as RGBA in any case: see
 * pixtape_generator_translate.
 */
uint32_t pixtape_generator_input_channels(const pixtape_generator *generator);

/**
 * Channels that the net makes: 1, 3 or 4; 0 for NULL.
 */
uint32_t pixtape_generator_output_channels(const pixtape_generator *generator);

/**
 * The net works on sides that are multiples of this; 0 for NULL. Images of other sizes are padded by
 * reflection, and the result is cropped: the caller has nothing to do for them.
 */
uint32_t pixtape_generator_multiple(const pixtape_generator *generator);

/**
 * Chooses the statistics of the norms, for calls from now on. norm: a pixtape_norm.
 */
pixtape_status pixtape_generator_set_norm(pixtape_generator *generator, int32_t norm);

/**
 * Sets how many bytes of device memory the net may use for an image, for calls from now on. 0, the
 * default, sets no limit. Images that need more, or more than the device allows in one piece, are
 * computed in strips: slower, and the same up to rounding.
 */
pixtape_status pixtape_generator_set_memory_limit(pixtape_generator *generator, uint64_t limit);

/**
 * Compiles kernels and allocates memory for images of one size, so that the first translation is as
 * fast as the next; it may take seconds. Both are kept until another size or setting is used.
 * Optional: pixtape_generator_translate does it if needed.
 */
pixtape_status pixtape_generator_prepare(pixtape_generator *generator,
                                         uint32_t width,
                                         uint32_t height);

/**
 * Translates an image, and waits for the result: width x height pixels of RGBA, a byte each, in
 * rows from the top. The result is that of `pixtape translate`.
 *
 * input_stride, output_stride: bytes from the beginning of a row to that of the next, at least 4 x
 * width; 0 for rows without a gap. input_size, output_size: bytes of the buffers, at least
 * stride x (height - 1) + 4 x width. Gaps between the output's rows stay as they are. output may
 * be input; after an error it is as it was.
 *
 * Channels: a net that takes 3 reads RGB, one that takes 1 reads the gray of RGB, one that takes 4
 * reads RGBA. A net that makes 3 gives RGB, one that makes 1 gives gray as RGB: the output has the
 * input's alpha then. One that makes 4 gives RGBA, alpha included.
 */
pixtape_status pixtape_generator_translate(pixtape_generator *generator,
                                           uint32_t width,
                                           uint32_t height,
                                           const uint8_t *input,
                                           size_t input_size,
                                           size_t input_stride,
                                           uint8_t *output,
                                           size_t output_size,
                                           size_t output_stride);

/**
 * Frees a generator; NULL is ignored.
 */
void pixtape_generator_free(pixtape_generator *generator);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PIXTAPE_H */
