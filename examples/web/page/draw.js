// Draw: labels on a pad, and what the network makes of them while they are drawn.
import { call } from './engine.js';
import { context, opaque, savePng, show } from './pixels.js';

const find = id => document.getElementById(id);
const SIDE = 64, EXAMPLES = 6, UNDO = 100;

const pad = find('pad'), output = find('drawn');
let labels = new Uint8ClampedArray(SIDE * SIDE * 4);
let palette = [], colour = 3;
let past = [], future = [];
let busy = false, again = false, working = false, idle = Promise.resolve();
// Side of the training's images: 64, or a multiple.
let trained = SIDE;
// Where the keyboard is; nothing of it is seen before it is used.
let cursor = null;

const tool = () => document.querySelector('[name=tool]:checked').value;

function paintPad(rectangle) {
  show(pad, labels, SIDE, SIDE);
  const to = context(pad);
  if (rectangle) {
    to.fillStyle = `rgb(${palette[colour]})`;
    to.fillRect(...rectangle);
  }
  if (cursor && document.activeElement === pad) {
    to.strokeStyle = '#fff';
    to.strokeRect(cursor[0] + .5, cursor[1] + .5, 1, 1);
  }
}

// The labels with every pixel enlarged to a square.
function enlarged(by) {
  const from = new Uint32Array(labels.buffer, labels.byteOffset, SIDE * SIDE), side = SIDE * by;
  const to = new Uint32Array(side * side);
  for (let at = 0; at < to.length; at++) to[at] = from[Math.floor(at / side / by) * SIDE + Math.floor(at % side / by)];
  return new Uint8Array(to.buffer);
}

// Asks for a picture of the pad as it is; while one is on its way, for one more at the end. Resolves
// when the last one is shown.
export function refresh() {
  again = working;
  if (again && !busy) idle = drawAll();
  return idle;
}

async function drawAll() {
  busy = true;
  while (again) {
    again = false;
    try {
      const by = find('draw-with').value;
      const side = by === 'training' ? trained : SIDE;
      const rgba = await call('translate', { rgba: enlarged(side / SIDE), width: side, height: side, by });
      show(output, rgba, side, side);
      output.dataset.shown = Number(output.dataset.shown ?? 0) + 1;
      find('drawn-by').textContent = 'What the network makes of them';
      find('save-drawn').disabled = false;
    } catch (error) {
      find('drawn-by').textContent = error.message;
    }
  }
  busy = false;
}

// A network is there.
export function use(name) {
  working = true;
  const first = find('draw-with').options[0];
  if (name) {
    first.textContent = name;
    first.disabled = false;
  }
  refresh();
}

// None is.
export function without() {
  const select = find('draw-with');
  select.options[0].textContent = 'no network yet';
  select.options[0].disabled = true;
  find('drawn-by').textContent = 'No network came with this page: load weights in “Your image”, or train one in “Train”.';
}

// The training in the tab can be drawn with.
export function offerTraining(side, choose) {
  const select = find('draw-with');
  trained = side;
  select.options[1].disabled = false;
  if (choose) select.value = 'training';
  if (select.value === 'training') use();
}

export function withdrawTraining() {
  const select = find('draw-with');
  select.options[1].disabled = true;
  if (select.value === 'training') select.value = 'net';
}

export const drawing = () => ({ rgba: new Uint8Array(labels), width: SIDE, height: SIDE });

function remember() {
  past.push(labels.slice());
  if (past.length > UNDO) past.shift();
  future = [];
}

function changed() {
  paintPad();
  find('undo').disabled = !past.length;
  find('redo').disabled = !future.length;
  refresh();
}

function travel(from, to) {
  if (!from.length) return;
  to.push(labels);
  labels = from.pop();
  changed();
}

function fillRectangle(x0, y0, width, height) {
  for (let y = Math.max(y0, 0); y < Math.min(y0 + height, SIDE); y++) {
    for (let x = Math.max(x0, 0); x < Math.min(x0 + width, SIDE); x++) labels.set([...palette[colour], 255], (y * SIDE + x) * 4);
  }
}

function dab([x, y]) {
  const size = Number(find('brush').value), before = Math.floor((size - 1) / 2);
  fillRectangle(x - before, y - before, size, size);
}

// A line of dabs: pointers skip pixels.
function stroke([x0, y0], [x1, y1]) {
  const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
  for (let i = 0; i <= steps; i++) dab([Math.round(x0 + (x1 - x0) * i / steps), Math.round(y0 + (y1 - y0) * i / steps)]);
}

function flood([x, y]) {
  const words = new Uint32Array(labels.buffer, labels.byteOffset, SIDE * SIDE);
  const old = words[y * SIDE + x];
  const fresh = new Uint32Array(new Uint8Array([...palette[colour], 255]).buffer)[0];
  if (old === fresh) return;
  const todo = [[x, y]];
  while (todo.length) {
    const [i, j] = todo.pop();
    if (i < 0 || j < 0 || i >= SIDE || j >= SIDE || words[j * SIDE + i] !== old) continue;
    words[j * SIDE + i] = fresh;
    todo.push([i + 1, j], [i - 1, j], [i, j + 1], [i, j - 1]);
  }
}

const spanned = ([x0, y0], [x1, y1]) => [Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0) + 1, Math.abs(y1 - y0) + 1];

function pointers() {
  let begun = null, before = null;
  const at = ({ clientX, clientY }) => {
    const box = pad.getBoundingClientRect();
    const place = (v, from, size) => Math.max(0, Math.min(SIDE - 1, Math.floor((v - from) / size * SIDE)));
    return [place(clientX, box.left, box.width), place(clientY, box.top, box.height)];
  };
  pad.onpointerdown = event => {
    if (event.button || begun) return;
    pad.setPointerCapture(event.pointerId);
    cursor = null;
    begun = before = at(event);
    remember();
    if (tool() === 'brush') dab(begun);
    if (tool() === 'fill') flood(begun);
    changed();
    if (tool() === 'rectangle') paintPad(spanned(begun, begun));
  };
  pad.onpointermove = event => {
    if (!begun) return;
    const here = at(event);
    if (tool() === 'brush') {
      // A fast pen reports several places at once.
      for (const one of event.getCoalescedEvents?.() ?? []) {
        stroke(before, at(one));
        before = at(one);
      }
      stroke(before, here);
      changed();
    }
    if (tool() === 'rectangle') paintPad(spanned(begun, here));
    before = here;
  };
  pad.onpointerup = event => {
    if (!begun) return;
    if (tool() === 'rectangle') fillRectangle(...spanned(begun, at(event)));
    begun = null;
    changed();
  };
  pad.onpointercancel = () => {
    begun = null;
    changed();
  };
}

function keyboard() {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  let corner = null;
  pad.onkeydown = event => {
    const move = moves[event.key];
    if (move && !event.ctrlKey) {
      event.preventDefault();
      const by = event.shiftKey ? 8 : 1;
      cursor = (cursor ?? [SIDE / 2, SIDE / 2]).map((v, axis) => Math.max(0, Math.min(SIDE - 1, v + move[axis] * by)));
      paintPad(corner && spanned(corner, cursor));
    }
    if (event.key === ' ' || event.key === 'Enter') {
      event.preventDefault();
      cursor ??= [SIDE / 2, SIDE / 2];
      // A rectangle takes two: one for each corner.
      if (tool() === 'rectangle' && !corner) {
        corner = cursor;
        return paintPad(spanned(corner, cursor));
      }
      remember();
      if (tool() === 'rectangle') fillRectangle(...spanned(corner, cursor));
      else if (tool() === 'brush') dab(cursor);
      else flood(cursor);
      corner = null;
      changed();
    }
    if (event.key === 'Escape') corner = null;
  };
  pad.onblur = () => paintPad();
  addEventListener('keydown', event => {
    if (find('draw').hidden || !(event.ctrlKey || event.metaKey) || event.target.type === 'number') return;
    const key = event.key.toLowerCase();
    if (key === 'z' && !event.shiftKey) travel(past, future);
    else if (key === 'y' || (key === 'z' && event.shiftKey)) travel(future, past);
    else return;
    event.preventDefault();
  });
}

function swatches(names) {
  names.forEach((name, at) => {
    const label = document.createElement('label');
    label.innerHTML = `<input type="radio" name="colour" value="${at}"><svg aria-hidden="true"><rect width="100%" height="100%" fill="rgb(${palette[at]})"/></svg>${name}`;
    const radio = label.querySelector('input');
    radio.checked = at === colour;
    radio.onchange = () => { colour = at; };
    find('palette').append(label);
  });
}

async function examples() {
  const offer = (rgba, name) => {
    const button = document.createElement('button');
    const canvas = document.createElement('canvas');
    show(canvas, rgba, SIDE, SIDE);
    button.append(canvas);
    button.title = name;
    button.setAttribute('aria-label', name);
    button.onclick = () => {
      remember();
      labels = new Uint8ClampedArray(rgba);
      changed();
    };
    find('examples').append(button);
  };
  for (let number = 0; number < EXAMPLES; number++) {
    const pair = await call('facade', { seed: 1, number, heldOut: true, side: SIDE });
    const rgba = opaque(pair.subarray(0, pair.length / 2));
    offer(rgba, `Facade ${number + 1}`);
    if (number === 0) labels = new Uint8ClampedArray(rgba);
  }
  const empty = new Uint8ClampedArray(SIDE * SIDE * 4);
  for (let at = 0; at < SIDE * SIDE; at++) empty.set([...palette[at < 61 * SIDE ? 0 : 13], 255], at * 4);
  offer(empty, 'Sky and street');
}

export async function start() {
  const { bytes, names } = await call('palette');
  palette = names.map((_, at) => [...bytes.subarray(3 * at, 3 * at + 3)]);
  swatches(names);
  await examples();
  pointers();
  keyboard();
  find('brush').oninput = () => { find('brush-size').textContent = find('brush').value; };
  find('undo').onclick = () => travel(past, future);
  find('redo').onclick = () => travel(future, past);
  find('draw-with').onchange = () => refresh();
  find('save-drawn').onclick = () => savePng(output, 'facade.png');
  changed();
}
