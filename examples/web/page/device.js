// Device: what the browser says of it, and how fast kernels are there.
import { call } from './engine.js';

const find = id => document.getElementById(id);
const MIB = 2 ** 20;
const ROWS = [
  ['copy, 32 MiB', 'copy', [32]],
  ['conv 4x4, 64x64, 32 to 64 channels', 'convolution', [64, 32, 64]],
  ['conv 4x4, 64x64, 64 to 128 channels', 'convolution', [64, 64, 128]],
  ['conv 4x4, 32x32, 128 to 256 channels', 'convolution', [32, 128, 256]],
  ['conv 4x4, 16x16, 256 to 512 channels', 'convolution', [16, 256, 512]],
  ['conv 4x4, 256x256, 4 to 64 channels', 'convolution', [256, 4, 64]],
];

let facts = {}, measured = null, checked = null;

function list() {
  const { limits } = facts;
  const rows = {
    Vendor: facts.vendor, Architecture: facts.architecture, Device: facts.device, Description: facts.description,
    Computes: facts.software ? 'on the CPU' : 'on a GPU', Kernels: facts.kernels,
    'Largest binding': `${limits.maxStorageBufferBindingSize / MIB} MiB`, 'Largest buffer': `${limits.maxBufferSize / MIB} MiB`,
    'Workgroup memory': `${limits.maxComputeWorkgroupStorageSize / 1024} KiB`, Invocations: `${limits.maxComputeInvocationsPerWorkgroup} a workgroup`,
    'Storage buffers': `${limits.maxStorageBuffersPerShaderStage} a shader`, Features: facts.features.join(', ') || 'none', Browser: navigator.userAgent,
  };
  find('facts').replaceChildren(...Object.entries(rows).filter(([, text]) => text).flatMap(([name, text]) => {
    const [dt, dd] = [document.createElement('dt'), document.createElement('dd')];
    [dt.textContent, dd.textContent] = [name, text];
    return [dt, dd];
  }));
}

function show(rows, peak) {
  const body = find('kernels').tBodies[0];
  body.replaceChildren(...rows.map(({ name, ms, flop, bytes }) => {
    const rate = flop / ms / 1e6;
    const cells = [name, ms.toFixed(3), flop ? rate.toPrecision(3) : '–', flop && peak ? (100 * rate / peak).toFixed(0) : '–', (bytes / ms / 1e6).toPrecision(2)];
    const row = document.createElement('tr');
    row.append(...cells.map(text => {
      const cell = document.createElement('td');
      cell.textContent = text;
      return cell;
    }));
    return row;
  }));
  find('kernels').hidden = false;
}

async function measure() {
  find('measure').disabled = true;
  const say = text => { find('device-told').textContent = text; };
  try {
    let peak = 0;
    for (const chains of [1, 2, 4, 8]) {
      say(`measuring the peak, ${chains} chains…`);
      const { ms, flop } = await call('measure', { kind: 'multiply_adds', sizes: [chains] });
      peak = Math.max(peak, flop / ms / 1e6);
    }
    const rows = [];
    for (const [name, kind, sizes] of ROWS) {
      say(`measuring ${name}…`);
      rows.push({ name, ...await call('measure', { kind, sizes }) });
      show(rows, peak);
    }
    measured = { peak_gflops: peak, kernels: rows };
    say(`Peak, measured: ${peak.toFixed(0)} GFLOP/s of multiply-adds on registers.`);
  } catch (error) {
    say(error.message);
  }
  find('measure').disabled = false;
}

// Every kernel through this browser's compiler.
async function check() {
  find('check').disabled = true;
  const say = text => { find('device-told').textContent = text; };
  say('the browser looks through every kernel…');
  try {
    checked = await call('check');
    const { kernels, messages } = checked;
    say(messages.length ? `${kernels} kernels, ${messages.length} messages of the browser's compiler:` : `${kernels} kernels, and the browser's compiler has nothing to say of them.`);
    find('messages').textContent = messages.join('\n');
    find('messages').hidden = !messages.length;
  } catch (error) {
    say(error.message);
  }
  find('check').disabled = false;
}

async function copy() {
  const text = JSON.stringify({ ...facts, browser: navigator.userAgent, measured, checked }, null, 2);
  try {
    await navigator.clipboard.writeText(text);
    find('device-told').textContent = 'Copied.';
  } catch {
    find('device-told').textContent = 'The browser does not let this page write to the clipboard.';
  }
}

export function start(about) {
  facts = about;
  list();
  find('measure').onclick = measure;
  find('check').onclick = check;
  find('copy').onclick = copy;
}
