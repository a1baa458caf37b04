// Train: the demo's net on drawn pairs, or on those of a folder.
import { call, on } from './engine.js';
import { legend, plot } from './chart.js';
import { dropped, match, MOST, read } from './folder.js';
import { opaque, save, show } from './pixels.js';
import * as draw from './draw.js';

const find = id => document.getElementById(id);
const SAMPLES = 3;
const say = text => { find('train-told').textContent = text; };
const progress = text => { find('progress').textContent = text; };

// none, starting, running, paused
let state = 'none';
let side = 64, names = [], steps = [], series = [], goal = 0, pairs = null, canvases = [], begun = 0, drawn = false;

function become(next) {
  state = next;
  find('start').textContent = state === 'none' ? 'Start' : 'Start anew';
  find('start').disabled = state === 'starting';
  find('pause').disabled = state === 'none' || state === 'starting';
  find('pause').textContent = state === 'paused' ? 'Go on' : 'Pause';
  find('download').disabled = find('draw-it').disabled = !steps.length;
  for (const control of ['data', 'side', 'ngf', 'seed']) find(control).disabled = state === 'starting';
  document.body.dataset.training = state;
}

function redraw() {
  drawn = false;
  if (!steps.length) return;
  const l1 = names.indexOf('G_L1'), others = names.map((_, at) => at).filter(at => at !== l1);
  plot(find('curve-l1'), steps, [series[l1]]);
  plot(find('curve-gan'), steps, others.map(at => series[at]));
  legend(find('legend-l1'), 'Distance from the target', ['G_L1'], [series[l1].at(-1)]);
  legend(find('legend-gan'), 'Adversarial losses', others.map(at => names[at]), others.map(at => series[at].at(-1)));
  const step = steps.at(-1);
  const per = (performance.now() - begun.time) / Math.max(step - begun.step, 1);
  const pace = step > begun.step + 2 && state === 'running' ? `, ${per.toFixed(0)} ms a step` : '';
  progress(`${state === 'paused' ? 'Paused at step' : 'Step'} ${step} of ${goal}${pace}`);
}

function losses({ rows, width }) {
  if (state === 'starting') {
    become('running');
    draw.offerTraining(side);
  }
  for (let at = 0; at < rows.length; at += width) {
    steps.push(rows[at]);
    for (let k = 1; k < width; k++) series[k - 1].push(rows[at + k]);
  }
  begun ||= { step: steps.at(-1), time: performance.now() };
  if (find('download').disabled) become(state);
  if (!drawn) {
    drawn = true;
    requestAnimationFrame(redraw);
  }
}

function cell(rgba, side, name) {
  const canvas = document.createElement('canvas');
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', name);
  if (rgba) show(canvas, rgba, side, side);
  else [canvas.width, canvas.height] = [side, side];
  find('samples').append(canvas);
  return canvas;
}

// Pairs to look at, which of a folder are the first ones that are trained on.
async function samples(seed) {
  const all = find('samples');
  all.querySelectorAll('canvas').forEach(canvas => canvas.remove());
  canvases = [];
  const inputs = [];
  for (let at = 0; at < SAMPLES; at++) {
    let pair = pairs?.[at];
    if (!pairs) {
      const both = await call('facade', { seed, number: at, heldOut: true, side });
      const half = both.length / 2;
      pair = { input: new Uint8Array(opaque(both.subarray(0, half))), target: opaque(both.subarray(half)) };
    }
    if (!pair) break;
    inputs.push(pair.input);
    cell(pair.input, side, 'input');
    canvases.push(cell(null, side, 'output'));
    cell(pair.target, side, 'target');
  }
  all.hidden = false;
  return inputs;
}

let files = null;

async function begin() {
  if (!find('settings').reportValidity()) return;
  say('');
  const value = id => Number(find(id).value);
  const settings = { side: value('side'), ngf: value('ngf'), seed: value('seed'), rate: value('rate') };
  [side, steps, series, begun, goal] = [settings.side, [], [], 0, value('steps')];
  become('starting');
  draw.withdrawTraining();
  for (const svg of ['curve-l1', 'curve-gan']) find(svg).replaceChildren();
  try {
    await call('stop');
    pairs = null;
    if (find('data').value === 'folder') {
      pairs = await read(files, settings.side, count => progress(`Reading pairs: ${count} of ${Math.min(files.length, MOST)}`));
    }
    const inputs = await samples(settings.seed);
    progress('Compiling the kernels: the first step may take some seconds, once…');
    const made = await call('start', { settings, pairs, samples: inputs, until: goal });
    names = made.names;
    series = names.map(() => []);
    find('progress').title = made.text;
  } catch (error) {
    say(error.message);
    progress('Not started.');
    become('none');
  }
}

async function pauseOrGoOn() {
  try {
    if (state === 'paused') {
      goal = Number(find('steps').value);
      if (goal <= (steps.at(-1) ?? 0)) goal = (steps.at(-1) ?? 0) + Number(find('steps').value);
      begun = 0;
      become('running');
      await call('resume', { until: goal, rate: Number(find('rate').value) });
    } else {
      await call('pause');
      become('paused');
      redraw();
    }
  } catch (error) {
    say(error.message);
  }
}

async function use(found) {
  say('');
  try {
    files = match(found);
    const option = find('data').options[1];
    option.disabled = false;
    option.textContent = `${files.length} pairs of my folder`;
    find('data').value = 'folder';
    find('folder-told').textContent = files.length > MOST ? `The first ${MOST} of ${files.length} pairs are taken: all of them lie in memory.` : `${files.length} pairs, scaled to squares. Start trains on them.`;
  } catch (error) {
    say(error.message);
  }
}

// The losses so far.
export const curves = () => ({ names, steps, series });

// A new device goes on from the last state that was kept.
export function recovered(step) {
  if (step === undefined) return;
  const kept = steps.findIndex(one => one > step);
  if (kept >= 0) for (const list of [steps, ...series]) list.length = kept;
  begun = 0;
  say(`The device was lost and a new one was found: the training goes on from step ${step}.`);
}

export function start(toDraw) {
  on('losses', losses);
  on('sample', ({ at, output }) => {
    if (canvases[at] && output.length === side * side * 4) show(canvases[at], output, side, side);
    if (at === 0) {
      document.body.dataset.samples = Number(document.body.dataset.samples ?? 0) + 1;
      if (find('draw-with').value === 'training') draw.refresh();
    }
  });
  on('paused', () => {
    become('paused');
    requestAnimationFrame(redraw);
  });
  on('stopped', ({ message }) => {
    say(message);
    become(steps.length ? 'paused' : 'none');
  });
  find('start').onclick = begin;
  find('settings').onsubmit = event => {
    event.preventDefault();
    begin();
  };
  find('pause').onclick = pauseOrGoOn;
  find('download').onclick = async () => {
    try {
      const bytes = await call('weights');
      save(new Blob([bytes], { type: 'application/octet-stream' }), 'generator.safetensors');
    } catch (error) {
      say(error.message);
    }
  };
  find('draw-it').onclick = () => {
    draw.offerTraining(side, true);
    toDraw();
  };
  find('folder').onchange = event => use([...event.target.files].map(file => ({ file, path: file.webkitRelativePath || file.name })));
  const zone = find('train');
  zone.ondragover = event => {
    event.preventDefault();
    zone.classList.add('over');
  };
  zone.ondragleave = () => zone.classList.remove('over');
  zone.ondrop = async event => {
    event.preventDefault();
    zone.classList.remove('over');
    use(await dropped(event.dataTransfer.items));
  };
  become('none');
}
