// Pairs out of the files of a folder: input and target side by side, or two folders of equal names.
import { decode, scaled } from './pixels.js';

const IMAGE = /\.(png|jpe?g|webp|bmp|gif|avif)$/i;
export const MOST = 1000;

// All files of what was dropped, folders opened, each with its path.
export async function dropped(items) {
  const found = [];
  const walk = async (entry, path) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ file, path: path + file.name });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) break;
      for (const one of some) await walk(one, `${path}${entry.name}/`);
    }
  };
  for (const entry of [...items].map(item => item.webkitGetAsEntry?.()).filter(Boolean)) await walk(entry, '');
  return found;
}

// Which files go together: [input, target], or [both].
export function match(files) {
  const images = files.filter(({ path }) => IMAGE.test(path)).sort((a, b) => (a.path < b.path ? -1 : 1));
  if (!images.length) throw new Error(`no images among ${files.length} files; PNG, JPEG and WebP are read`);
  const side = letter => new Map(images.flatMap(({ path, file }) => {
    const parts = path.split('/'), name = parts.pop();
    return new RegExp(`^(train)?${letter}$`, 'i').test(parts.at(-1) ?? '') ? [[name.replace(/\.[^.]*$/, ''), file]] : [];
  }));
  const [a, b] = [side('a'), side('b')];
  if (!a.size && !b.size) return images.map(({ file }) => [file]);
  const both = [...a.keys()].filter(name => b.has(name));
  if (!both.length) throw new Error(`${a.size} images in A and ${b.size} in B, and no name in both; pairs have the same name`);
  return both.map(name => [a.get(name), b.get(name)]);
}

// RGBA bytes of input and target, scaled to squares.
export async function read(pairs, side, tell) {
  const read = [];
  for (const files of pairs.slice(0, MOST)) {
    const [first, second] = await Promise.all(files.map(decode));
    const { width, height } = first;
    if (!second && width < 2) throw new Error(`${files[0].name}: ${width} pixels wide, where input and target lie side by side`);
    const half = Math.floor(width / 2);
    const input = scaled(first, second ? [0, 0, width, height] : [0, 0, half, height], side, side);
    const target = second ? scaled(second, [0, 0, second.width, second.height], side, side) : scaled(first, [half, 0, half, height], side, side);
    first.close();
    second?.close();
    read.push({ input, target });
    tell(read.length);
  }
  return read;
}
