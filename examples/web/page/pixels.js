// Between files, canvases and bytes.

export const context = canvas => canvas.getContext('2d', { willReadFrequently: true });

export function show(canvas, rgba, width, height) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  context(canvas).putImageData(new ImageData(new Uint8ClampedArray(rgba), width, height), 0, 0);
}

export const bytesOf = canvas => new Uint8Array(context(canvas).getImageData(0, 0, canvas.width, canvas.height).data);

// RGBA of RGB.
export function opaque(rgb) {
  const rgba = new Uint8ClampedArray(rgb.length / 3 * 4);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    rgba[to] = rgb[from]; rgba[to + 1] = rgb[from + 1]; rgba[to + 2] = rgb[from + 2]; rgba[to + 3] = 255;
  }
  return rgba;
}

// An image out of a file, or an error that says what to do.
export async function decode(file) {
  try {
    // As it is meant to be seen: turned by EXIF. Without colour conversion, as the program reads it.
    return await createImageBitmap(file, { colorSpaceConversion: 'none' });
  } catch {
    throw new Error(`${file.name}: not an image that this browser can decode; give a PNG, JPEG or WebP file`);
  }
}

// RGBA of a part of an image, scaled.
export function scaled(bitmap, [x, y, w, h], width, height) {
  const canvas = new OffscreenCanvas(width, height), to = canvas.getContext('2d');
  to.imageSmoothingQuality = 'high';
  to.imageSmoothingEnabled = w !== width || h !== height;
  to.drawImage(bitmap, x, y, w, h, 0, 0, width, height);
  return new Uint8Array(to.getImageData(0, 0, width, height).data);
}

export function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export const savePng = (canvas, name) => canvas.toBlob(blob => save(blob, name), 'image/png');
