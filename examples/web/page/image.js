// Your image: translated by a network out of a file, compared, saved.
import { call } from './engine.js';
import { decode, savePng, scaled, show } from './pixels.js';
import * as draw from './draw.js';

const find = id => document.getElementById(id);
const say = text => { find('image-told').textContent = text; };
const WEIGHTS = /\.(safetensors|pth|pt|pict)$/i;
const LARGEST = 2 ** 30;

let multiple = 0, source = null, name = 'image', turn = 0;

// Puts weights on the device and draws with them.
export async function load(bytes, title) {
  const found = await call('load', { bytes }, []);
  multiple = found.multiple;
  find('net').textContent = `${title}: ${found.text}`;
  find('net').dataset.loaded = Number(find('net').dataset.loaded ?? 0) + 1;
  draw.use(title);
  if (source) await translate();
}

async function loadFile(file) {
  say('');
  try {
    if (file.size > LARGEST) throw new Error('larger than 1 GiB: no generator is');
    find('net').textContent = `${file.name}: reading…`;
    await load(new Uint8Array(await file.arrayBuffer()), file.name);
  } catch (error) {
    find('net').textContent = multiple ? 'The network from before is still in use.' : 'No network yet.';
    say(`${file.name}: ${error.message}`);
  }
}

// The size nearest to the image's, of the longest side that was chosen, which the network takes.
function fit(width, height) {
  const by = Number(find('longest').value) / Math.max(width, height);
  const side = v => Math.max(1, Math.round(v * Math.min(by, 1) / multiple)) * multiple;
  return [side(width), side(height)];
}

async function translate() {
  if (!source) return;
  if (!multiple) return say('There is no network yet: load weights, or train some in “Train”.');
  const mine = ++turn;
  const [width, height] = fit(source.width, source.height);
  const input = source.rgba && source.width === width && source.height === height
    ? source.rgba : scaled(source.bitmap ?? await bitmapOf(source), [0, 0, source.width, source.height], width, height);
  show(find('before'), input, width, height);
  find('compare').hidden = find('slider').hidden = false;
  find('save-image').disabled = true;
  say('');
  try {
    const output = await call('translate', { rgba: input, width, height });
    if (mine !== turn) return;
    show(find('after'), output, width, height);
    find('after').dataset.shown = Number(find('after').dataset.shown ?? 0) + 1;
    find('save-image').disabled = false;
  } catch (error) {
    say(error.message);
  }
}

const bitmapOf = ({ rgba, width, height }) => createImageBitmap(new ImageData(new Uint8ClampedArray(rgba), width, height));

async function open(file) {
  say('');
  try {
    const bitmap = await decode(file);
    source?.bitmap?.close();
    source = { bitmap, width: bitmap.width, height: bitmap.height };
    name = file.name.replace(/\.[^.]*$/, '');
  } catch (error) {
    return say(error.message);
  }
  await translate();
}

export const take = file => WEIGHTS.test(file.name) ? loadFile(file) : open(file);

export function start() {
  const chosen = (id, work) => {
    find(id).onchange = event => {
      const [file] = event.target.files;
      if (file) work(file);
      event.target.value = '';
    };
  };
  chosen('picture', open);
  chosen('weights', loadFile);
  find('longest').onchange = translate;
  find('use-drawing').onclick = () => {
    source = draw.drawing();
    name = 'drawing';
    translate();
  };
  find('split').oninput = () => find('compare').style.setProperty('--split', `${find('split').value}%`);
  find('save-image').onclick = () => savePng(find('after'), `${name}_out.png`);
  const zone = find('image'), frame = find('drop');
  zone.ondragover = event => {
    event.preventDefault();
    frame.classList.add('over');
  };
  zone.ondragleave = () => frame.classList.remove('over');
  zone.ondrop = event => {
    event.preventDefault();
    frame.classList.remove('over');
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  };
}
